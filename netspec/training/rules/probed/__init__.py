"""Rules that look at what the first batches of a training show: `netspec doctor SOLVER`, `netspec overfit`."""
