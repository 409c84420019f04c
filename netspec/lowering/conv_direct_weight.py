"""The weight's gradient of a direct convolution: every tap's pixels times the top's diff, read where they lie.

It is summed in pieces of the images, which are then added up in order. Large weights have few pieces; then several
parts share the rows of a piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, SCRATCH, even, flat, forward_pass, windows_of

if TYPE_CHECKING:
    from netspec.core.calls import Array

PIECES = 2**21
"""Values of all pieces, at most."""
DEEP = 256
"""Pixels of a block for filters of one tap: while it is multiplied, the next block is prefetched beside it."""
LONG = 768
"""Least number of pixels of a piece for filters of one tap: a few blocks, as the first one is not prefetched."""


class Cut(NamedTuple):
    """The cut of a weight's gradient into calls.

    `pieces` sum over different images or blocks of lines, and are added up at the end. `shares` of a piece's rows go to
    different parts. `lines` is the height of a block (for filters of one tap see `_pixel_lines`); `scratch` counts the
    values that a part copies.
    """

    pieces: int
    shares: int
    lines: int
    scratch: int


def _cut(conv: Conv) -> Cut:
    """As many pieces as fit PIECES, and shares that occupy the other parts."""
    x = conv.bottom
    one, weight = forward_pass(conv), conv.weight
    n, c, h, w = x
    size, rows = weight[0] * weight[1] * weight[2] * weight[3], weight[1] * weight[2] * weight[3] * conv.group
    if _in_lines(conv):
        lines, width = _pixel_lines(conv)
        pieces = max(1, min(PARTS, lines, lines * width // LONG, PIECES // size))
        shares = min(PARTS // pieces, max(1, max(weight[:2]) // 32))
        return Cut(pieces, shares, even(-(-lines // pieces), DEEP // width), 0)
    q, m = one.x.length, conv.filters
    wide = (q - 1) * one.x.step + one.x.extent
    lines = even(one.y.length, min(2 * SCRATCH // (wide * c * one.y.step + q * m), one.y.length * n // PARTS))
    pieces = max(1, min(PARTS, n * -(-one.y.length // lines), PIECES // size))
    shares = min(PARTS // pieces, -(-rows // 14))
    copied = one.y.outside(h) or one.x.outside(w)
    return Cut(pieces, shares, lines, ((lines - 1) * one.y.step + one.y.extent) * wide * c if copied else 0)


def _in_lines(conv: Conv) -> bool:
    """Whether filters have one tap and read lines of the images that all lie equally far apart."""
    return conv.single and (conv.pixelwise or conv.bottom[2] == conv.top[2] * conv.window[0].stride)


def _pixel_lines(conv: Conv) -> tuple[int, int]:
    """(lines, pixels of a line) of the top, for filters of one tap: at stride 1 each pixel is a line."""
    n, _, p, q = conv.top
    return (n * p * q, 1) if conv.pixelwise else (n * p, q)


def spaces(conv: Conv) -> dict[str, Workspace]:
    """The pieces, and padded lines of each part."""
    cut, weight = _cut(conv), conv.weight
    size = weight[0] * weight[1] * weight[2] * weight[3]
    shapes = {"pieces": (cut.pieces, size), "windows": (cut.pieces * cut.shares, cut.scratch)}
    return {name: Workspace(shape, use="backward") for name, shape in shapes.items()}


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
    if _in_lines(conv):
        yield from _weight_of_pixels(conv, run, dw, cut)
        return
    taps, windows = windows_of(one, x, c, groups, cut.lines)
    tiles = tiling(windows.run, m, dtype, "across")
    line = (windows.reach if windows.copied else w) * c
    lines = np.arange(cut.lines, dtype=np.int64) * one.y.step * line
    arrays = (run.bottom[0], dy, pieces, lines, np.array(taps, np.int64), run.workspace["windows"])
    diff = Diff(one.x.length, pitch, m, cut.shares)
    yield Call(conv_gradient.weight_gradient, *arrays, windows, diff, tiles, parts=parts)
    if cut.pieces > 1:
        yield Call(conv_gradient.join_pieces, pieces, parts=min(PARTS, max(1, pieces.shape[1] // 4096)))
    shape = (groups, k, r, dw.shape[2] * dw.shape[3], int(run.param_add[0]))
    yield Call(conv_gradient.piece_to_filters, pieces[0], dw, *shape, parts=max(1, min(PARTS, k // 4)))


def _weight_of_pixels(conv: Conv, run: Run, dw: Array, cut: Cut) -> Calls:
    """The gradient for filters of one tap, dw = dy^T x; computed in place where there is only one piece."""
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv_gradient
    from netspec.kernels.conv_geometry import PixelGradient

    (_, c, _, w), (k, *_), add = run.bottom_shapes[0], conv.weight, int(run.param_add[0])
    (dy, diff_pitch), (lines, width), (down, across) = flat(run.top_diff[0]), _pixel_lines(conv), conv.window
    pieces = dw.reshape(1, -1) if cut.pieces == 1 else run.workspace["pieces"]
    line_pitch = c if conv.pixelwise else down.stride * w * c
    product = PixelGradient(
        lines=lines,
        width=width,
        line_pitch=line_pitch,
        pitch=across.stride * c if width > 1 else line_pitch,  # lines of one pixel are taken as pixels of one line
        diff_pitch=diff_pitch,
        channels=c,
        shares=cut.shares,
        by_columns=int(c > k),
        deep=cut.lines,
    )
    arrays = (run.bottom[0], dy, pieces, np.arange(cut.lines, dtype=np.int64) * width * diff_pitch)
    in_place, tiles = add * (cut.pieces == 1), tiling(k, c, str(dw.dtype), "across")
    yield Call(conv_gradient.weight_gradient_pixels, *arrays, product, tiles, in_place, parts=cut.pieces * cut.shares)
    if cut.pieces > 1:
        yield Call(conv_gradient.add_pieces, pieces, dw.reshape(-1), add, parts=min(PARTS, max(1, dw.size // 4096)))
