"""Sources, one a file: where samples come from."""
