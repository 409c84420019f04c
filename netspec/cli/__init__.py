"""The command line: each file holds a command, which parses its arguments, calls the library and renders the result."""

import gc

gc.set_threshold(100_000)  # start-up creates many objects and little garbage
