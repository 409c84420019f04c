"""Data files to batches: a feed draws samples from a source, transforms them, and reads ahead."""
