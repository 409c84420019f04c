"""Pictures of a batch as resampling kernels see them: each in memory of its own, of any size, in one of two orders.

A picture is planes (P, H, W, I): P = C and I = 1 where channels come first, P = 1 and I = C where they lie innermost,
as decoders write them. A batch is described by `frames` (N, FRAME) of int64: address, P, H, W, I of each picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from netspec.codegen.intrinsics import pointer
from netspec.codegen.kernel import viewing
from netspec.codegen.kinds import Clock, Doubles, Vector

FRAME = 5
"""Numbers that describe a picture."""


class Target(NamedTuple):
    """The pictures that a kernel writes: (N, channels, rows, columns), and the values outside of the old ones."""

    channels: int
    rows: int
    columns: int
    fill: Doubles  # of each channel
    half: float  # what is added before a number is cut to the type of the result: 1/2 for bytes, 0 for real numbers


@viewing
def pixels(frames: Clock, n: int, like: Vector) -> Vector:
    """The values of picture n, flat; they are of the type of `like`."""
    at = n * FRAME
    size = frames[at + 1] * frames[at + 2] * frames[at + 3] * frames[at + 4]
    values: Vector = numba.carray(pointer(frames[at]), (size,), like.dtype)
    return values
