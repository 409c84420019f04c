"""Layers alone, forward and backward beside PyTorch eager or NumPy, at sizes that people use."""
