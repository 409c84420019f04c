"""Loops over arrays, one family a file: how a step is computed; with codegen the only place that imports numba."""
