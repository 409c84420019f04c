"""Lowering of layers that take more than a few lines: convolutions, products, factors by channel, memory layouts.

Each module turns the shapes and arrays of a Run into Calls.
"""
