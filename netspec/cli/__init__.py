"""Commands: one a file, each parses, calls the library, and renders."""

import gc

gc.set_threshold(100_000)  # starting up makes many objects and little garbage
