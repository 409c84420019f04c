"""Learning-rate policies: each file holds a policy, a pure function of the iteration."""
