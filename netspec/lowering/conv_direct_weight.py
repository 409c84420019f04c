"""The weight's gradient of a direct convolution: every tap's pixels times the top's diff, read where they lie.

It is summed in pieces of the images, which are then added up in order. Large weights have few pieces; then several
parts share the rows of a piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.beside import pull_of, pulls_once
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, SCRATCH, even, flat, forward_pass, windows_of
from netspec.lowering.seen import seen_forward

if TYPE_CHECKING:
    from netspec.core.calls import Array

PIECES = 2**21
"""Values of all pieces, at most."""


class Cut(NamedTuple):
    """The cut of a weight's gradient into calls.

    `pieces` sum over different images or blocks of lines, and are added up at the end. `shares` of a piece's rows go to
    different parts. `lines` is the height of a block; `scratch` counts the values that a part copies, of the bottom and
    of the top's diff.
    """

    pieces: int
    shares: int
    lines: int
    scratch: int


def _cut(conv: Conv) -> Cut:
    """As many pieces as fit PIECES, and shares that occupy the other parts."""
    x = conv.bottom
    one, weight = forward_pass(conv), conv.weight
    n, c, *_ = x
    size, rows = weight[0] * weight[1] * weight[2] * weight[3], weight[1] * weight[2] * weight[3] * conv.group
    q, m = one.x.length, conv.filters
    wide = (q - 1) * one.x.step + one.x.extent
    lines = even(one.y.length, min(2 * SCRATCH // (wide * c * one.y.step + q * m), one.y.length * n // PARTS))
    pieces = max(1, min(PARTS, n * -(-one.y.length // lines), PIECES // size))
    shares = min(PARTS // pieces, -(-rows // 14))
    return Cut(pieces, shares, lines, ((lines - 1) * one.y.step + one.y.extent) * wide * c + lines * q * m)


def spaces(conv: Conv) -> dict[str, Workspace]:
    """The pieces, and padded lines of each part."""
    cut, weight = _cut(conv), conv.weight
    size = weight[0] * weight[1] * weight[2] * weight[3]
    shapes = {"pieces": (cut.pieces, size), "windows": (cut.pieces * cut.shares, cut.scratch)}
    return {name: Workspace(shape, use="backward") for name, shape in shapes.items()}


def pulls(conv: Conv, run: Run) -> bool:
    """Whether the weight's pass leaves the top's diff pulled in its place: where it sees each line of that once."""
    return pulls_once(run) and _cut(conv).shares == 1 and run.top_diff[0].flags.c_contiguous


def calls(conv: Conv, run: Run, dw: Array) -> Calls:
    """Sum the pieces of the gradient, then add them up in order."""
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv_gradient
    from netspec.kernels.conv_geometry import Diff

    x = run.bottom_shapes[0]
    _, c, _, w = x
    groups, cut, one = conv.group, _cut(conv), forward_pass(conv)
    (dy, pitch), r, k = flat(run.top_diff[0]), c // groups, conv.filters
    m, dtype, pieces = k // groups, str(dw.dtype), run.workspace["pieces"]
    parts = cut.pieces * cut.shares
    seen, pull = seen_forward(run, run.workspace["windows"]), pull_of(run)._replace(once=int(pulls(conv, run)))
    taps, windows = windows_of(one, x, c, groups, cut.lines, seen.how.lens.factor.size > 0)
    tiles = tiling(windows.run, m, dtype, "across")
    line = (windows.reach if windows.copied else w) * c
    lines = np.arange(cut.lines, dtype=np.int64) * one.y.step * line
    arrays = (run.bottom[0], dy, pieces, lines, np.array(taps, np.int64), seen)
    diff = Diff(one.x.length, pitch, m, cut.shares)
    yield Call(conv_gradient.weight_gradient, *arrays, windows, diff, tiles, pull, parts=parts)
    if cut.pieces > 1:
        yield Call(conv_gradient.join_pieces, pieces, parts=min(PARTS, max(1, pieces.shape[1] // 4096)))
    shape = (groups, k, r, dw.shape[2] * dw.shape[3], int(run.param_add[0]))
    yield Call(conv_gradient.piece_to_filters, pieces[0], dw, *shape, parts=max(1, min(PARTS, k // 4)))
