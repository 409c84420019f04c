"""Convolution with filters of one tap: a product of pixels with the weight, also where a stride leaves pixels out.

Forward reads every stride-th pixel of the bottom; backward to the bottom writes them, and zeros between. Shapes alone
decide all cuts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec.codegen.geometry import AIR, APART
from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.beside import lens_of, moments_of, products_of, pull_of
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, even, flat, padded

LONG = APART - AIR
"""Channels of a pixel that are multiplied at a time, at most."""
NEAR = 160_000
"""Values of the weight that are multiplied with all pixels at a time: they stay in the second cache."""
TALL = 14
"""Rows of a tile, at most."""
PANEL = 48
"""Columns of a panel, at most."""


def _deep(channels: int) -> int:
    """Channels that are multiplied at a time."""
    return even(channels, LONG)


def scratch(conv: Conv, suffix: str) -> Workspace:
    """The copied pixels and the sums of a block, for each part: forward, or backward with `suffix` "_bottom"."""
    sums = TALL * (padded(conv.bottom[1]) + AIR) if suffix and not conv.pixelwise else 0
    return Workspace((PARTS, TALL * APART + sums), use="backward" if suffix else "forward")


def cut(pixels: int, filters: int) -> tuple[int, int]:
    """(pieces of the pixels, parts that share a piece's panels), so that all parts together read the fewest values.

    On no kind of CPU there are fewer blocks of pixels than pieces, or fewer panels than shares.
    """
    counts = [shares for shares in (1, 2, 4, 8, 16) if shares == 1 or shares * PANEL <= filters]
    shares = min(counts, key=lambda shares: shares * pixels + PARTS // shares * filters)
    return min(PARTS // shares, -(-pixels // TALL)), shares


def beside(conv: Conv) -> Beside:
    """All that there is: a bottom seen through a lens, a diff through a pull, sums of what is written."""
    n, _, p, q = conv.top
    (moments, _), (products, _) = (cut(n * p * q, written) for written in (conv.filters, conv.bottom[1]))
    return Beside(frozenset({0}), moments, True, (products,), pitched=True)


def calls(conv: Conv, run: Run, images: tuple[Any, Any], bias: Any, mode: int, suffix: str) -> Calls:
    """Pack the weight, then multiply: `images` are (source, destination), `suffix` is "_bottom" backward."""
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv as loops
    from netspec.kernels import pointwise
    from netspec.kernels.conv_geometry import Apart, Filters, Pixels

    (n, c, h, w), (_, k, p, q), weight = conv.bottom, conv.top, run.param[0]
    r, m = (k, c) if suffix else (c, k)
    (source, pitch), (target, out_pitch) = map(flat, images)
    packed, size = run.workspace["packed" + suffix], n * p * q
    tiles = tiling(size, m, str(weight.dtype), "near")
    panels = -(-m // tiles.panel)
    filters = Filters(1, k, c, 1, tiles.panel, int(bool(suffix)))
    taps = np.zeros(1, np.int64)
    yield Call(loops.pack, weight.reshape(-1), packed, taps, filters, parts=min(PARTS, panels))
    (pieces, shares), deep = cut(size, m), _deep(r)
    pixels = Pixels(
        pitch=pitch,
        channels=r,
        out_pitch=out_pitch,
        filters=m,
        deep=deep,
        group=max(1, NEAR // (r * tiles.panel)),
        shares=shares,
        read_apart=int(not (suffix or conv.pixelwise)),
        sent=int(bool(suffix) and not conv.pixelwise),
    )
    apart = Apart(p, q, h, w, conv.window[0].stride, conv.window[1].stride)
    arrays = (source, packed, bias, target, run.workspace["lines" + suffix])
    yield Call(
        pointwise.convolve_pixels, *arrays, pixels, apart, _around(run, suffix), tiles, mode, parts=shares * pieces
    )


def _around(run: Run, suffix: str) -> Any:
    """What the BatchNorms beside the layer ask of a pass."""
    from netspec.kernels.conv_geometry import Around

    if suffix:
        run = replace(run, lenses=(), moments=None)
        return Around(lens_of(run), pull_of(run), moments_of(run), products_of(run))
    run = replace(run, pull=None, products=(), top_diff=run.top)
    return Around(lens_of(run), pull_of(run), moments_of(run), products_of(run))
