"""What layers beside a BatchNorm do for it, so that it needs no passes of its own over memory, as kernels take it.

A BatchNorm's bottom x is a blob of pixels, each with C channels, that lie `pitch` values apart. Readers of its top read
x through a Lens. The layer that writes x leaves the pieces of its moments; the layer that writes the gradient of the
top leaves the pieces of its sums (Products); and the layer that wrote x reads the gradient of x, which nobody writes,
through a Pull. Where an array of factors is empty, nothing is seen through: values are what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[Any]
    Doubles = NDArray[np.float64]

PIECES = 16
"""Pieces in which a layer leaves sums for another, at most: a part of its step owns one."""


class Lens(NamedTuple):
    """How values x are seen: x * factor + offset, and `low` where that is less; channel by channel."""

    factor: Vector  # (C,); empty: as they are
    offset: Vector  # (C,)
    low: float  # 0 where a ReLU is computed along; NaN: no limit


class Pieces(NamedTuple):
    """Sums over a blob's pixels, for each channel, in float64; of each piece of the pixels apart.

    Moments are (pieces, 3, width): a pivot near the mean, the sum of x - pivot and that of its square. Products are
    (pieces, 2, width): the sums of dy and of dy * (x - centre). Empty `values`: nobody wants them.
    """

    values: Doubles
    counts: Doubles  # (pieces,): pixels of each piece; empty: pieces are as `norm.moments` cuts them
    width: int  # numbers of a sum: C, or a multiple where several pixels form a row


class Products(NamedTuple):
    """What the layer that writes the gradient dy of a BatchNorm's top does to it: masks it, and leaves its sums."""

    x: Vector  # the BatchNorm's bottom
    pitch: int  # from one pixel of x to the next
    lens: Lens  # where x is seen as `low` or less through it, dy becomes 0
    centre: Vector  # (C,)
    pieces: Pieces


class Pull(NamedTuple):
    """How the gradient dy of a BatchNorm's top is seen as that of its bottom x.

    dx = of_dy * dy - of_x * (x - centre) - shift, with dy = 0 where x is seen as `low` or less through the lens.
    """

    x: Vector  # the BatchNorm's bottom
    pitch: int  # from one pixel of x to the next
    lens: Lens
    centre: Vector  # (C,), as the others
    of_dy: Vector
    of_x: Vector
    shift: Vector
    once: int = 0  # 1: nobody wants dy but the layer that sees it so: the first of its passes may write dx there


@dataclass(frozen=True)
class Beside:
    """What a layer's kernels can do for the BatchNorms beside it, for bottoms of the shapes asked about.

    `reads`: bottoms that it can read through a Lens, forward and backward. `moments`: pieces in which forward can leave
    the moments of its only top; 0: it cannot. `pulls`: whether backward can read its top's diff through a Pull.
    `products`: pieces in which backward can leave the sums of the diff of each bottom, by slot. `pitched`: whether what
    it reads through a Lens may lie inside a wider blob.
    """

    reads: frozenset[int] = frozenset()
    moments: int = 0
    pulls: bool = False
    products: tuple[int, ...] = ()
    pitched: bool = False
