"""What is done to a sample before the net sees it: one transform a file, a function of sample, seed, epoch and index."""
