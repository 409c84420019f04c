"""Loops over arrays, one family a file; with codegen the only place that imports numba."""
