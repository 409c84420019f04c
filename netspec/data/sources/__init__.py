"""Where samples come from: one source a file, which opens to a reader of numbered samples."""
