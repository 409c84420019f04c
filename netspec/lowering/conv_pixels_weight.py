"""The weight's gradient of a convolution with filters of one tap: the top's diff times the bottom, over all pixels.

It is summed in pieces of the pixels, which are then added up in order. Large weights have few pieces; then several
parts share the rows and the columns of a piece. The bottom may be seen through a lens, and the top's diff through a
pull, with any stride and pitch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netspec.codegen.geometry import AIR
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.beside import lens_of, pull_of, squares_of
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, even, flat, padded

if TYPE_CHECKING:
    from netspec.core.calls import Array

PIECES = 2**21
"""Values of all pieces, at most."""
DEEP = 128
"""Pixels of a block: a panel of them stays in the nearest cache, all of them in the second one."""
LONG = 768
"""Least number of pixels of a piece: a few blocks, as the first one is not prefetched."""
PULLED = 2.5
"""What it costs to bring near a value of the top's diff that is pulled, and stays no nearer than in the second cache;
a value of the bottom costs 1."""
NARROW = 512
"""Values of a row, or a multiple, with which the rows of a tile share few lines of a cache: pieces keep them apart."""
PANEL = 64
"""Columns of a panel, at most, on any kind of CPU."""


class Cut(NamedTuple):
    """The cut of the product: pieces of the pixels, shares of a piece's rows and columns, pixels of a block."""

    pieces: int
    down: int
    across: int
    deep: int
    row: int  # values from one pixel of the top's diff to the next where they are copied
    wide: int  # values from one row of a piece to the next


def _cut(conv: Conv, pulled: bool) -> Cut:
    """As many pieces as fit PIECES; shares that occupy the other parts, so that all bring the least near."""
    n, k, p, q = conv.top
    c, pixels = conv.bottom[1], n * p * q
    pieces = max(1, min(PARTS, pixels // LONG, PIECES // (k * c)))
    most, row_cost = (max(1, k // 32), max(1, c // 32)), PULLED if pulled else 1
    counts = [(1 << i, 1 << j) for i in range(5) for j in range(5) if 1 << i + j <= PARTS // pieces]
    fits = [(down, across) for down, across in counts if down <= most[0] and across <= most[1]]
    number = max(down * across for down, across in fits)
    shares = (pair for pair in fits if pair[0] * pair[1] == number)
    down, across = min(shares, key=lambda share: share[1] * k * row_cost + share[0] * c)
    row = padded(-(-k // down) + 14)  # an odd number of cache lines, so that rows of pixels do not share a few
    wide = c + (AIR if pieces > 1 and c % NARROW == 0 else 0)
    return Cut(pieces, down, across, even(-(-pixels // pieces), DEEP), row + (0 if row // 16 % 2 else 16), wide)


def spaces(conv: Conv) -> dict[str, Workspace]:
    """The pieces, and for each part a panel of the bottom's pixels and rows of the top's diff."""
    cut, row = _cut(conv, pulled=False), max(_cut(conv, pulled).row for pulled in (False, True))
    size, parts = conv.weight[0] * cut.wide, cut.pieces * cut.down * cut.across
    near = cut.deep * (PANEL + row) + AIR
    shapes = {"pieces": (cut.pieces if cut.pieces > 1 else 0, size), "windows": (parts, near)}
    return {name: Workspace(shape, use="backward") for name, shape in shapes.items()}


def calls(conv: Conv, run: Run, dw: Array) -> Calls:
    """Sum the pieces of the gradient, in place where there is only one, then add them up in order."""
    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv_gradient, pointwise_gradient
    from netspec.kernels.conv_geometry import Apart, PixelGradient

    (n, c, h, w), (_, k, p, q), add = conv.bottom, conv.top, int(run.param_add[0])
    cut = _cut(conv, run.pull is not None)
    (x, pitch), (dy, diff_pitch), (down, across) = flat(run.bottom[0]), flat(run.top_diff[0]), conv.window
    pieces = dw.reshape(1, -1) if cut.pieces == 1 else run.workspace["pieces"][: cut.pieces]
    product = PixelGradient(
        pixels=n * p * q,
        pitch=pitch,
        diff_pitch=diff_pitch,
        channels=c,
        down=cut.down,
        across=cut.across,
        deep=cut.deep,
        row=cut.row,
        wide=cut.wide,
        apart=int(not conv.pixelwise),
    )
    apart, tiles = Apart(p, q, h, w, down.stride, across.stride), tiling(k, c, str(dw.dtype), "across")
    squares = squares_of(run)
    own = squares if cut.pieces == 1 else squares[:0]
    arrays, beside = (x, dy, pieces, run.workspace["windows"], own), (lens_of(run), pull_of(run))
    in_place, parts = add * (cut.pieces == 1), cut.pieces * cut.down * cut.across
    kernel = pointwise_gradient.weight_gradient_pixels
    yield Call(kernel, *arrays, product, apart, tiles, *beside, in_place, parts=parts)
    if cut.pieces > 1:
        parts = min(PARTS, k, max(1, dw.size // 4096))
        yield Call(conv_gradient.add_pieces, pieces, dw.reshape(k, c), squares, cut.wide, add, parts=parts)
