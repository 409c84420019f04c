"""Nets, solvers and snapshots in Caffe's words: prototxt, caffemodel and solverstate."""
