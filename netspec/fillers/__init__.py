"""Fillers, one a file: from a shape to the initial values of a param."""
