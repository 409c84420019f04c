"""A net as a drawing: laid out in layers by code of our own, and written as SVG, PNG, DOT, Mermaid or HTML."""
