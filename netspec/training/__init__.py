"""A solver file to events and files: job, feeds, tests, the iteration loop, snapshots and run folders."""
