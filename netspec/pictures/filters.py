"""The filters of a layer as a picture, whose pixels are the weights."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from netspec.pictures.mosaic import filter_grid, zoom
from netspec.pictures.saving import plain
from netspec.study.filters import Filters

_DOTS = 150
"""Pixels of the file to an inch."""
_LINE, _LETTER, _EDGE, _LEAST = 24, 9, 18, 640
"""Pixels that a line of text takes and a letter, that stay free at the edges, and the least width of the picture."""


def figure(found: Filters, each: bool = False) -> Any:
    """A grid of filters, in which every weight is a square of some pixels, under what they are and by which scale."""
    from matplotlib.figure import Figure

    picture, said = filter_grid(found, each)
    times = zoom(picture)
    high, wide = picture.shape[0] * times, picture.shape[1] * times
    width = max(wide, _LEAST)
    lines = [f"{found.layer} ({found.type}) of {found.net}", *wrap(said, width // _LETTER)]
    height = high + _LINE * len(lines)
    whole, tall = width + 2 * _EDGE, height + 3 * _EDGE
    drawn: Any = Figure(figsize=(whole / _DOTS, tall / _DOTS), dpi=_DOTS)
    axes = drawn.add_axes((_EDGE / whole, _EDGE / tall, wide / whole, high / tall))
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for n, line in enumerate(lines):
        top = tall - _EDGE - n * _LINE
        size = 9 if n == 0 else 8
        drawn.text(_EDGE / whole, top / tall, plain(line), va="top", ha="left", fontsize=size)
    return drawn
