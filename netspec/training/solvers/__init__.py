"""Update rules: each file holds a solver type, which yields the Calls that update a param."""
