"""Sources of samples, one a file: a source opens to a reader of numbered samples."""
