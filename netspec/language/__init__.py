"""Text to a flat Document: variables, defaults, blocks, repeats and `extends` written out, every value with the place
it was written at.
"""
