"""The experiment of `python -m benchmarks.bf16`: what activations in bfloat16 would bring."""
