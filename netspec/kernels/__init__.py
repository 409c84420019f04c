"""Loops over arrays, one family a file. Only this folder and codegen import numba."""
