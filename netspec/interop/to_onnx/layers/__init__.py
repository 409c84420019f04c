"""The nodes of every layer type, one family of types a file; the files are found by listing this folder."""
