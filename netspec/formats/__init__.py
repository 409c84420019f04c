"""Foreign file formats that several packages need: bytes to plain values and back."""
