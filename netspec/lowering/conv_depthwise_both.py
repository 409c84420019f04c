"""Both gradients of a depthwise convolution in one pass (kernels/depthwise_both.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.codegen.geometry import ADD, STREAM, first_column, meetings, share
from netspec.core.calls import Call, Run
from netspec.lowering.beside import lens_of, products_of
from netspec.lowering.conv import Conv
from netspec.lowering.conv_lines import images_geometry
from netspec.lowering.conv_passes import PassAxis
from netspec.lowering.seen import left_back, seen_back

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import SourceRows

MOST_SUMS = 12
"""Taps of a filter that are summed at a time, at most: their sums, a strip of diffs and a lens fit the registers."""
STRIP = 4
"""Columns of the top's diff that a strip is as wide as."""
MOST = {False: 64, True: 8}
"""Pixels whose sums are taken in the net's float type; fewer where they have few channels, to go along memory."""
NARROW = 128
"""Channels that are few."""
FAR = 2**23
"""Bytes of a bottom's diff from which on it is written past the caches."""


def fits(conv: Conv) -> bool:
    """Whether one pass can sum both: taps are few, and the columns that neighbouring taps meet are adjacent."""
    (down, *_), (across, step, _, dilation) = conv.window
    return down * across <= MOST_SUMS and step <= 2 and (dilation == 1 or across == 1)


def gap(conv: Conv) -> int:
    """Columns of zeros that must lie between lines of the top's diff."""
    across, step, pad, _ = conv.window[1]
    columns = [q for q, _, _ in meetings(conv.bottom[3], across, step, pad)]
    return max(0, -min(columns, default=0), max(columns, default=0) + 1 - conv.top[3])


def scratch(conv: Conv, lines: int) -> int:
    """Values of scratch of a part that holds so many lines of the top's diff: sums, and lines with gaps around them."""
    between = gap(conv)
    return conv.filters * (2 + between + lines * (conv.top[3] + between))


def call(conv: Conv, run: Run, packed: Array, axes: Sequence[PassAxis], mode: int, parts: int) -> Call:
    """The pass; `axes` are the phases of the bottom's lines."""
    import numpy as np

    from netspec.codegen.strip_both import LENS, PRODUCTS
    from netspec.codegen.strips import strip
    from netspec.kernels import depthwise_both

    (x, dy, dx), (across, step, pad, _) = (run.bottom[0], run.top_diff[0], run.bottom_diff[0]), conv.window[1]
    assert dx is not None
    left, lens, width = left_back(run), lens_of(run), conv.bottom[3]
    kind = LENS * (lens.factor.size > 0) + PRODUCTS * _along(run)
    coded = kind & PRODUCTS > 0
    columns = step * share(-(-width // step), STRIP)[0]
    widths, table = (columns, (width - 1) % columns + 1), _rows(axes, conv.bottom[2])
    codes: list[Any] = [None] * (2 * max(row.number for row in table) + 2)
    for number in {row.number for row in table}:
        codes[2 * number : 2 * number + 2] = [strip("both", some, across, step, pad, number, kind) for some in widths]
    lines = depthwise_both.BothLines(
        images=images_geometry((dy, dx), conv.weight, axes),
        rows=np.array(table, np.int64).reshape(-1),
        codes=tuple(codes),
        strip=columns,
        most=share(-(-width // columns), max(1, MOST[conv.filters <= NARROW] // columns))[0],
        step=step,
        first=first_column(across, step, pad),
        gap=gap(conv),
        mode=mode | STREAM * (_streams(dx, mode) and (coded or not left.products.pieces.values.size)),
        coded=int(coded),
    )
    seen = seen_back(run, run.workspace["near_bottom"])._replace(lens=lens)
    arrays = (x.reshape(-1), dy.reshape(-1), packed.reshape(-1), dx.reshape(-1), run.workspace["pieces"][:parts])
    return Call(depthwise_both.both_gradients, *arrays, lines, seen, left, parts=parts)


def _streams(dx: Array, mode: int) -> bool:
    """Whether codes may write dx past the caches: it is far, is not read, and a vector is a whole line of a cache."""
    from netspec.codegen import simd

    whole = dx.ctypes.data % simd.BYTES == 0 == dx.shape[-1] * dx.itemsize % simd.BYTES
    return dx.nbytes >= FAR and not mode & ADD and simd.BYTES == simd.LINE and whole


def _along(run: Run) -> bool:
    """Whether the products wanted are those of the bottom, as it is seen."""
    products, lens, x = products_of(run), lens_of(run), run.bottom[0]
    if not (products.pieces.values.size and lens.factor.size):
        return False
    pairs = [(products.x, x), (products.lens.factor, lens.factor), (products.lens.offset, lens.offset)]
    same = products.lens.low == lens.low or (math.isnan(products.lens.low) and math.isnan(lens.low))
    return same and products.pitch == x.shape[-1] and all(a.ctypes.data == b.ctypes.data for a, b in pairs)


def _rows(axes: Sequence[PassAxis], lines: int) -> list[SourceRows]:
    """For each line of the bottom: the first row of the top's diff that it meets, the number of rows, and their tap."""
    from netspec.kernels.conv_geometry import SourceRows

    rows = [SourceRows(0, 0, 0)] * lines
    for axis in axes:
        for i in range(axis.length if axis.shifts else 0):
            row = SourceRows(i * axis.step + axis.first, len(axis.shifts), axis.taps[0])
            rows[i * axis.stride + axis.place] = row
    return rows
