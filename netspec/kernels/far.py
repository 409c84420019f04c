"""Blobs that do not stay near until they are read: they are written past the caches (`Row.stream`, decision 78).

Else a line of memory is read before it is written. A kernel that writes so ends with `arrive`.
"""

from __future__ import annotations

from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Vector
from netspec.codegen.simd import settle

FAR = 2**22
"""Bytes of a blob that is far, at least: more than the second cache has, of blobs that come one after another."""


@helper
def is_far(y: Vector) -> int:
    """1 if a blob is far, else 0."""
    return int(y.size * y.itemsize >= FAR)


@helper
def arrive(far: int) -> None:
    """What was written past the caches is in memory before other threads hear that the part is done."""
    if far:
        settle()
