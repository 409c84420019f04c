"""Convolution with filters of one tap: a product of pixels with the weight, also where a stride leaves pixels out.

Forward reads every stride-th pixel of the bottom; backward to the bottom writes them, and zeros between. Shapes alone
decide all cuts.
"""

from __future__ import annotations

from typing import Any

from netspec.codegen.geometry import AIR
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import PARTS, even, flat, padded

LONG = 512
"""Channels of a pixel that are multiplied at a time, at most."""
NEAR = 160_000
"""Values of the weight that are multiplied with all pixels at a time: they stay in the second cache."""
ALIKE = 4096
"""Bytes after which lines of the nearest cache repeat: rows so far apart would push one another out."""
TALL = 14
"""Rows of a tile, at most."""


def _deep(channels: int) -> int:
    """Channels that are multiplied at a time."""
    return even(channels, LONG)


def scratch(conv: Conv, suffix: str) -> Workspace:
    """The copied pixels and the sums of a block, for each part: forward, or backward with `suffix` "_bottom"."""
    read, written = (conv.filters, conv.bottom[1]) if suffix else (conv.bottom[1], conv.filters)
    sums = TALL * (padded(written) + AIR) if suffix and not conv.pixelwise else 0
    return Workspace((PARTS, TALL * (_deep(read) + AIR) + sums), use="backward" if suffix else "forward")


def _shares(pixels: int, filters: int, panels: int) -> int:
    """Parts that share a block's panels, so that all parts together read the fewest values."""
    counts = [shares for shares in (1, 2, 4, 8, 16) if shares <= panels]
    return min(counts, key=lambda shares: shares * pixels + PARTS // shares * filters)


def calls(conv: Conv, run: Run, images: tuple[Any, Any], bias: Any, mode: int, suffix: str) -> Calls:
    """Pack the weight, then multiply: `images` are (source, destination), `suffix` is "_bottom" backward."""
    import numpy as np

    from netspec.codegen.tiles import tiling
    from netspec.kernels import conv as loops
    from netspec.kernels.conv_geometry import Apart, Filters, Pixels

    (n, c, h, w), (_, k, p, q), weight = conv.bottom, conv.top, run.param[0]
    r, m = (k, c) if suffix else (c, k)
    (source, pitch), (target, out_pitch) = map(flat, images)
    packed, size = run.workspace["packed" + suffix], n * p * q
    cut = tiling(size, m, str(weight.dtype))
    panels = -(-m // cut.panel)
    filters = Filters(1, k, c, 1, cut.panel, int(bool(suffix)))
    taps = np.zeros(1, np.int64)
    yield Call(loops.pack, weight.reshape(-1), packed, taps, filters, parts=min(PARTS, panels))
    shares, deep = _shares(size, m, panels), _deep(r)
    pixels = Pixels(
        pitch=pitch,
        channels=r,
        out_pitch=out_pitch,
        filters=m,
        deep=deep,
        group=max(1, NEAR // (deep * cut.panel)),
        shares=shares,
        copied=int(not (suffix or conv.pixelwise) or pitch * weight.itemsize % ALIKE == 0),
        sent=int(bool(suffix) and not conv.pixelwise),
    )
    apart = Apart(p, q, h, w, conv.window[0].stride, conv.window[1].stride)
    arrays = (source, packed, bias, target, run.workspace["lines" + suffix])
    parts = shares * min(PARTS // shares, cut.blocks)
    yield Call(loops.convolve_pixels, *arrays, pixels, apart, cut, mode, parts=parts)
