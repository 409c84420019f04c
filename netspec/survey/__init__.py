"""Looks at data before a training: counts, sizes, twins, leaks, and what is broken."""
