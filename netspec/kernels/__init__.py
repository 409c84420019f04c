"""Kernels: how things are computed. The only room that imports numba."""
