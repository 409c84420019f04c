"""Layer types, one a file: fields, shapes, params, costs, and the Calls that kernels carry out."""
