"""Text to a flat Document: variables, defaults, blocks, repeats and `extends` are expanded, places kept."""
