"""What a net computes, one layer type a file: fields, shapes, params, costs, and the Calls that kernels carry out."""
