"""Nets as ONNX models: `layers/` says for every layer type which nodes compute it, `model` puts them together."""
