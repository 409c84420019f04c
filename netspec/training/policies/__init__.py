"""Learning rates: one policy a file, a pure function of the iteration."""
