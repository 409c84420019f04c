"""Loops to machine code: the decorator of kernels, their cache and driver, and generators of tiles, strips and streams
of vector instructions.
"""
