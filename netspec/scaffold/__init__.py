"""A first net and solver for data of one's own: looks at them, chooses, and writes two files to go on from."""
