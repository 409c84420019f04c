"""Small nets at the edges of the rewrites that spare passes (`engine/fusing.py`), as plain values, by name."""
