"""Both gradients of a convolution with filters of one tap in one pass, where its top's diff is seen through a pull.

Bringing the diff near costs least when both products are taken of it there. That needs a weight and a gradient of it
that fit the second cache with a block of pixels, and pieces of enough pixels without shares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.codegen.geometry import AIR, APART
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering import conv_pixels, conv_pixels_weight
from netspec.lowering.beside import lens_of, moments_of, products_of, pull_of, squares_of
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, even, flat, padded
from netspec.lowering.conv_pixels_weight import DEEP, PANEL

if TYPE_CHECKING:
    from netspec.core.calls import Array

VALUES = 2**16
"""Values of the weight, at most."""
PIXELS = 384
"""Pixels of a piece, at least: a few blocks, as the first one is not prefetched."""


def fits(conv: Conv) -> bool:
    """Whether one pass pays: no channel less is read of the top than of the bottom, and pieces need no shares."""
    (n, k, p, q), c = conv.top, conv.bottom[1]
    small = c <= k <= APART - AIR and k * c <= VALUES
    return conv.pixelwise and small and n * p * q >= PARTS * PIXELS and conv_pixels.cut(n * p * q, c) == (PARTS, 1)


def spaces(conv: Conv) -> dict[str, Workspace]:
    """Workspaces of both gradients, together or apart: the packed weight, the pieces, and scratch for each part.

    Scratch holds a panel of the bottom's pixels and rows of the top's diff.
    """
    (_, k, *_), c = conv.top, conv.bottom[1]
    near = max(DEEP * (PANEL + APART) + AIR, conv_pixels_weight.spaces(conv)["windows"].shape[1])
    return {
        "packed_bottom": Workspace((k * padded(c),), use="backward"),
        "pieces": Workspace((PARTS, k * c), use="backward", turn=1),
        "windows": Workspace((PARTS, near), use="backward", turn=1),
    }


def calls(conv: Conv, run: Run, mode: int, dx: Array, dw: Array) -> Calls:
    """Pack the weight, multiply, and add up the pieces of the gradient; `mode` may be ADD, for the bottom's diff dx."""
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv as loops
    from netspec.kernels import conv_gradient, pointwise_both
    from netspec.kernels.conv_geometry import Around, BothPixels, Filters, PixelGradient

    (n, k, p, q), c, weight, space = conv.top, conv.bottom[1], run.param[0], run.workspace
    (x, pitch), (dy, diff_pitch), (out, out_pitch) = map(flat, (run.bottom[0], run.top_diff[0], dx))
    packed, pieces, dtype = space["packed_bottom"], space["pieces"], str(weight.dtype)
    back, tiles = tiling(n * p * q, c, dtype, "near"), tiling(k, c, dtype, "across")
    filters, parts = Filters(1, k, c, 1, back.panel, 1), min(PARTS, -(-c // back.panel))
    yield Call(loops.pack, weight.reshape(-1), packed, np.zeros(1, np.int64), filters, parts=parts)
    blocks = even(-(-back.blocks // PARTS), DEEP // back.rows)
    product = PixelGradient(
        pixels=n * p * q,
        pitch=pitch,
        diff_pitch=diff_pitch,
        channels=c,
        down=1,
        across=1,
        deep=blocks * back.rows,
        row=APART,
        wide=c,
        apart=0,
    )
    both = BothPixels(product, out_pitch, k, blocks)
    around = Around(lens_of(run), pull_of(run), moments_of(replace(run, moments=None)), products_of(run))
    arrays = (x, dy, packed, out, pieces, space["windows"])
    yield Call(pointwise_both.both_gradients_pixels, *arrays, both, around, back, tiles, mode, parts=PARTS)
    add, parts = int(run.param_add[0]), min(PARTS, max(1, dw.size // 4096))
    yield Call(conv_gradient.add_pieces, pieces, dw.reshape(k, c), squares_of(run), c, add, parts=parts)
