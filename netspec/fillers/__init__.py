"""Shapes to the initial values of params: one filler a file."""
