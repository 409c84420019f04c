"""Transforms, one a file: what is done to an image before the net sees it."""
