"""Calls for factors and constants of each channel: shared by Scale, Bias, PReLU and BatchNorm."""

from __future__ import annotations

import math
from typing import Any

from netspec.core.calls import Call, Calls, Run


def affine(run: Run, around: tuple[int, int, int], x: Any, w: Any, b: Any, y: Any) -> Calls:
    """y = x * w + b for x, y (outer, C, inner) and w, b (C,).

    An empty w stands for 1, an empty b for 0.
    """
    from netspec.kernels import copy, norm, norm_planes

    factor, offset = wide(run, around)
    yield Call(copy.repeat, w, factor, 1.0, parts=1)
    yield Call(copy.repeat, b, offset, 0.0, parts=1)
    if around[2] == 1:
        yield Call(norm.normalise, x, factor, offset, y, math.nan, factor.size)
    else:
        yield Call(norm_planes.plane_normalise, x.reshape(around), factor, offset, y.reshape(around), math.nan)


def affine_sums(
    run: Run, around: tuple[int, int, int], x: Any, dy: Any, dw: Any, db: Any, add: tuple[int, int]
) -> Calls:
    """dw, db (C,) = (or +=) the sums of dy * x and of dy.

    An empty dw or db is not computed.
    """
    from netspec.kernels import copy, norm, norm_planes

    centre, ones = wide(run, around)
    yield Call(copy.repeat, dw[:0], centre, 0.0, parts=1)
    yield Call(copy.repeat, dw[:0], ones, 1.0, parts=1)
    partial, sums = run.workspace["partial"], run.workspace["sums"]
    if around[2] == 1:
        sizes = (math.nan, centre.size)
        yield Call(norm.gradient_sums, x, dy, centre, ones, centre, partial, *sizes, parts=len(partial))
    else:
        partial = partial[:0]
        yield Call(
            norm_planes.plane_gradient_sums, x.reshape(around), dy.reshape(around), centre, ones, centre, sums, math.nan
        )
    yield Call(norm.fold_into, partial, sums, dw, db, centre.size, *add, parts=1)


def wide(run: Run, around: tuple[int, int, int]) -> tuple[Any, Any]:
    """Two rows, of factors and of constants.

    Each has one number a slot where channels are innermost, else one number a channel.
    """
    outer, c, inner = around
    width = slots(c, outer)[0] if inner == 1 else c
    space = run.workspace["wide"]
    return space[0, :width], space[1, :width]


ROW = 64
"""Least number of values in a row: several small pixels form a row, so that a CPU's vectors are filled."""


PIECE, PIECES = 1 << 16, 32
"""Least number of values in a piece that is summed, and greatest number of pieces."""


def slots(c: int, pixels: int) -> tuple[int, int]:
    """(width, pieces) for kernels that go through a blob whose channels are innermost.

    `width` counts the values of a row, which holds one or more pixels of c channels.
    """
    repeats = max(1, min(-(-ROW // c), pixels))
    return c * repeats, max(1, min(PIECES, c * pixels // PIECE, pixels // repeats // 8))


def adds(run: Run, slot: int) -> int:
    """1 where backward adds to a param's diff, 0 where it overwrites it."""
    return int(run.param_add[slot]) if 0 <= slot < len(run.param_add) else 1
