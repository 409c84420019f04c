"""Rules that look at what a training has recorded: `netspec doctor RUN`."""
