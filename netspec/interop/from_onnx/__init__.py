"""ONNX models to nets: operators become layers, and what no layer can do is said, all at once."""
