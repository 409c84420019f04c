"""Transforms of a sample before the net sees it, one a file: functions of sample, seed, epoch and index."""
