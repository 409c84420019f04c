"""What the layers of a net make of a sample: a row of maps for every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.shape import text
from netspec.pictures.images import short, shown_image
from netspec.pictures.mosaic import mosaic
from netspec.pictures.saving import plain
from netspec.study.activations import Activations, Maps

if TYPE_CHECKING:
    from netspec.core.calls import Array

MAPS = 12
"""Maps of a layer that are shown, at most."""
_WIDTH, _LABELS, _HEIGHT, _GAP = 10.0, 2.3, 0.85, 0.22
"""Inches: of the picture, of the names at its left, of a row at most, and between rows."""
_CELL = 0.25
"""Inches that a single value is wide and high, at most."""


def figure(found: Activations) -> Any:
    """The sample, and below it a row for every layer: its maps, from the least value of the layer to the greatest."""
    from matplotlib.figure import Figure

    image = shown_image(found.sample.inputs[0], found.sample.order)
    rows: list[tuple[str, Array]] = [(_sample(found), image)] if image is not None else []
    rows += [(_label(one), _row(one)) for one in found.layers]
    room = _WIDTH - _LABELS - 0.15
    heights = [min(_HEIGHT, room * row.shape[0] / row.shape[1], _CELL * row.shape[0]) for _, row in rows]
    heights = [max(height, 0.08) for height in heights]
    slots = [max(height, 0.5) + _GAP for height in heights]
    whole = sum(slots) + 0.55
    drawn: Any = Figure(figsize=(_WIDTH, whole))
    title = found.net + (f" answers {found.answer}" if found.answer else "")
    drawn.text(0.015, 1 - 0.12 / whole, plain(title), va="top", fontsize=10)
    top = whole - 0.5
    for (label, row), height, slot in zip(rows, heights, slots, strict=True):
        wide = min(room, height * row.shape[1] / row.shape[0])
        axes = drawn.add_axes((_LABELS / _WIDTH, (top - height) / whole, wide / _WIDTH, height / whole))
        axes.imshow(row, cmap="gray" if row is image else "viridis", interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        drawn.text(0.015, top / whole, label, va="top", fontsize=7.5, linespacing=1.3)
        top -= slot
    return drawn


def _sample(found: Activations) -> str:
    """What stands beside the sample: its name, in pieces that fit."""
    true = f"\nshould be {found.truth}" if found.truth else ""
    return f"{short(found.sample.name, 34)}\n{text(found.sample.inputs[0].shape)}{true}"


def _label(one: Maps) -> str:
    """The name of a layer, its type and shape, how many of its maps are shown, and the scale."""
    import numpy as np

    count = len(one.maps)
    some = f", the first {MAPS}" if count > MAPS else ""
    low, high = float(np.nanmin(one.maps)) + 0.0, float(np.nanmax(one.maps)) + 0.0  # no -0
    return f"{short(one.layer, 30)}\n{one.type} {text(one.shape)}{some}\n{low:.3g} to {high:.3g}"


def _row(one: Maps) -> Array:
    """The first maps of a layer side by side; what lies between them is NaN, and so stays white."""
    maps = one.maps[:MAPS]
    gap = max(1, maps.shape[2] // 12)
    return mosaic(maps, len(maps), gap, float("nan"))
