"""Blobs that do not stay near until they are read: they are written past the caches (`Row.stream`, decision 78).

Else a line of memory is read before it is written. A kernel that writes so ends with `arrive`.
"""

from __future__ import annotations

from netspec.codegen.geometry import LINE
from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Vector
from netspec.codegen.simd import lanes_of, settle

FAR = 2**22
"""Bytes of a blob that is far, at least: more than the second cache has, of blobs that come one after another."""

GRADIENT = 2**19
"""Bytes of a weight whose gradient is far, at least: it is read when all layers have run backward."""


@helper
def is_far_gradient(dw: Vector) -> int:
    """1 if a weight's gradient is far and a vector is a whole line, so that no line is written by halves; else 0."""
    return int(dw.size * dw.itemsize >= GRADIENT and lanes_of(dw) * dw.itemsize == LINE)


@helper
def is_far(y: Vector) -> int:
    """1 if a blob is far, else 0."""
    return int(y.size * y.itemsize >= FAR)


@helper
def arrive(far: int) -> None:
    """What was written past the caches is in memory before other threads hear that the part is done."""
    if far:
        settle()
