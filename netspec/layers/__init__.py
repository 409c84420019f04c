"""Layer types: what is computed, one a file."""
