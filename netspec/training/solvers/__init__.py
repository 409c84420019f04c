"""Solver types: update rules, one a file."""
