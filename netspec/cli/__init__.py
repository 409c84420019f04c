"""Commands: one a file, each parses, calls the library, and renders."""
