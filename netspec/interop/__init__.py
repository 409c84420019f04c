"""Nets and weights on their way to other programs and from them: Caffe, ONNX, NumPy."""
