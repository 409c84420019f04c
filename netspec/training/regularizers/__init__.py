"""Weight decay: each file holds a regularizer, which gives a param's coefficients."""
