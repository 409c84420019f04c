"""Shapes and arrays to Calls where a layer takes more than a few lines to compute: ways of a convolution, layouts in
memory.
"""
