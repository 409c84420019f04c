"""A flat Document to a ShapedGraph: fields checked, layers wired, gradients decided, shapes and costs worked out."""
