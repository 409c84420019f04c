"""Caffe's messages and their enums by name: `caffe_pb2.NetParameter()`, `caffe_pb2.TEST`."""

from __future__ import annotations

from typing import Any

from netspec.formats.caffe_messages import message_class, words


def __getattr__(name: str) -> Any:
    if name in words("Phase"):
        return words("Phase")[name]
    try:
        return message_class(name)
    except KeyError:
        raise AttributeError(f"Caffe has no message {name!r}") from None
