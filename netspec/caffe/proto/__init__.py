"""Caffe's messages for protobuf: `from netspec.caffe.proto import caffe_pb2`."""

from __future__ import annotations

from netspec.caffe.proto import caffe_pb2

__all__ = ["caffe_pb2"]
