"""Update rules: one solver type a file, which yields the Calls that update a param."""
