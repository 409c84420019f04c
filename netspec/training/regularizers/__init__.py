"""Weight decay: one regularizer a file, which gives a param's coefficients."""
