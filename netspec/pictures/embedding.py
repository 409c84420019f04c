"""Samples as points in the two dimensions in which a blob differs most, each class in its colour and marker."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import text
from netspec.pictures.images import short
from netspec.pictures.palette import BLUE, style
from netspec.pictures.saving import plain
from netspec.study.embedding import Embedding

_NAMED, _WRITTEN = 28, 14
"""Classes whose names stand beside the points, and those whose names are written among them too."""


def figure(found: Embedding) -> Any:
    """The points; the share of the variance that an axis shows stands at it."""
    from matplotlib.figure import Figure

    named = found.truth is not None and found.classes is not None
    drawn: Any = Figure(figsize=(8.6 if named else 7.2, 6.2), layout="constrained")
    axes = drawn.subplots()
    x, y = found.points.T
    if found.truth is None:
        axes.scatter(x, y, s=14, color=BLUE, linewidths=0)
    elif found.classes is None:
        points = axes.scatter(x, y, s=14, c=found.truth, cmap="viridis", linewidths=0)
        drawn.colorbar(points, ax=axes, label="what the net should answer")
    else:
        _classes(axes, found)
    labels = [
        f"principal component {n} ({100 * share:.1f} % of the variance)" for n, share in enumerate(found.explained, 1)
    ]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    title = f"'{found.blob}' ({text(found.shape)}) of {len(x):,} samples, {found.net}\n{found.data}"
    axes.set_title("\n".join(map(plain, title.split("\n"))), fontsize=9, loc="left")
    return drawn


def _classes(axes: Any, found: Embedding) -> None:
    """The points of each class, its name at their middle where classes are few, and a legend beside the axes."""
    import numpy as np
    from matplotlib.patheffects import withStroke

    assert found.truth is not None and found.classes is not None
    x, y = found.points.T
    halo, written = [withStroke(linewidth=3, foreground="white")], []
    for number, name in enumerate(found.classes):
        mine = found.truth == number
        if not mine.any():
            continue
        look = style(number)
        face, edge = (look.color, 0.0) if look.filled else ("none", 1.1)
        marks = {"marker": look.marker, "facecolors": face, "edgecolors": look.color, "linewidths": edge}
        axes.scatter(x[mine], y[mine], s=24, alpha=0.8, label=short(name, 25), **marks)
        if len(found.classes) <= _WRITTEN:
            middle = np.median(x[mine]), np.median(y[mine])
            written.append(axes.annotate(plain(short(name, 25)), middle, ha="center", va="center", path_effects=halo))
    _keep_apart(axes, written)
    handles, labels = axes.get_legend_handles_labels()
    title = f"the first {_NAMED} of {len(labels)} classes" if len(labels) > _NAMED else None
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "markerscale": 1.5}
    axes.legend(handles[:_NAMED], labels[:_NAMED], title=title, frameon=False, **place)


def _keep_apart(axes: Any, written: list[Any]) -> None:
    """Leave out names that would lie on one before them."""
    axes.figure.draw_without_rendering()
    shown: list[Any] = []
    for words in written:
        place = words.get_window_extent()
        words.set_visible(not any(place.overlaps(other) for other in shown))
        shown += [place] if words.get_visible() else []
