"""Fillers: initial values of params, one a file."""
