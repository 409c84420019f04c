"""Training: from a solver file to events and files. Job, feeds, tests, the iteration loop, snapshots, run folders."""
