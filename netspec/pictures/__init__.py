"""Values to pictures by matplotlib: curves, matrices, filters, activations, points; nothing is decided here."""
