"""Mosaics: many small pictures as one array of pixels, and that array as a PNG, without matplotlib."""

from __future__ import annotations

import io
from math import ceil, sqrt
from typing import TYPE_CHECKING

from netspec.core.shape import counted

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.study.filters import Filters

MOST = 256
"""Filters of a single plane, or in colour, that are shown, at most."""
ROWS, COLUMNS = 32, 32
"""Filters of many planes, and planes of each, that are shown, at most."""
_PIXELS = 1000
"""About as many pixels as a mosaic is wide, where its pixels are enlarged."""


def mosaic(tiles: Array, columns: int, gap: int = 1, ground: float = 1.0) -> Array:
    """Tiles (T, H, W) or (T, H, W, 3) as a picture, so many in a row; the gaps and what stays free are `ground`."""
    import numpy as np

    count, h, w = tiles.shape[:3]
    rows = ceil(count / columns)
    whole = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, *tiles.shape[3:]), ground)
    for n, tile in enumerate(tiles):
        top, left = n // columns * (h + gap), n % columns * (w + gap)
        whole[top : top + h, left : left + w] = tile
    return whole


def zoom(picture: Array, most: int = _PIXELS) -> int:
    """How many times a picture (H, W, ...) is enlarged so that it is about `most` pixels wide or high."""
    return max(1, most // max(map(int, picture.shape[:2])))


def png(picture: Array, times: int = 1) -> bytes:
    """A picture (H, W) or (H, W, 3) of values from 0 to 1 as a PNG, each pixel so many wide and high."""
    import numpy as np
    from PIL import Image

    values = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    values = values.repeat(times, axis=0).repeat(times, axis=1)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", optimize=True)
    return file.getvalue()


def filter_grid(found: Filters, each: bool = False) -> tuple[Array, str]:
    """The filters of a layer as one picture, and in words what it shows and by which scale.

    0 is grey, and a weight as far from 0 as any is black or white: any weight of the layer, or with `each` any of its
    own filter.
    """
    import numpy as np

    weights = found.weights
    k, c, h, w = weights.shape
    limit = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) if each else np.abs(weights).max()
    limit = np.where(limit > 0, limit, 1.0)
    values = 0.5 + weights / (2 * limit)
    if found.colour or c == 1:
        tiles = np.moveaxis(values, 1, -1)[:MOST] if found.colour else values[:MOST, 0]
        columns = max(1, min(len(tiles), round(sqrt(len(tiles) * h / w * 1.6))))
        shown = f"the first {MOST} of {k:,} filters" if k > MOST else counted(k, "filter")
        shown += f" of {c}x{h}x{w}{', in colour' if found.colour else ''}"
        shown = f"a matrix of {h}x{w} weights" if k == c == 1 else shown
    else:
        tiles = values[:ROWS, :COLUMNS].reshape(-1, h, w)
        columns = min(c, COLUMNS)
        rows = f"the first {ROWS} of {k:,} filters" if k > ROWS else counted(k, "filter")
        planes = f"the first {COLUMNS} of their {c:,} channels" if c > COLUMNS else f"their {c} channels"
        shown = f"{rows} of {c}x{h}x{w}: a filter a row, {planes} in columns"
    scale = "the largest weight of each filter" if each else f"{float(np.max(limit)):.3g}"
    gap = 1 if max(h, w) < 16 else 2
    return mosaic(
        tiles, columns, gap
    ), f"{shown}; white is {scale}, grey 0, black {'its negative' if each else f'-{scale}'}"
