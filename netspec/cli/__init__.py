"""The command line, one command a file: each reads its words, calls the library, and renders what comes back."""

import gc

gc.set_threshold(100_000)  # starting up makes many objects and little garbage
