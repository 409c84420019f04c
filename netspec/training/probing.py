"""Probing: runs a few batches of a training through a copy of its net, and measures what they show."""
