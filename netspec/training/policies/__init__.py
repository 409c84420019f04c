"""Learning-rate policies, one a file."""
