"""Rules: judgements about a training before it starts, and while its first iterations run, one a file."""
