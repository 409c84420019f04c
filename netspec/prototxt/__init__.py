"""Caffe's text files to Documents: a prototxt of a net or a solver, of any version, in netspec's words."""
