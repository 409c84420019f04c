"""ShapedGraph to a bound Program: rewrites, the memory plan, weights, and the table of steps of an iteration."""
