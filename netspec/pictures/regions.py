"""What a net answers all over the plane, in the colours of its classes, and the points it was trained on over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.pictures.images import short
from netspec.pictures.palette import BLUE, VERMILLION, style
from netspec.pictures.saving import plain
from netspec.study.regions import Regions

if TYPE_CHECKING:
    from netspec.core.calls import Array

_FAINT, _FULL = 0.08, 0.5
"""How much of its colour a region has where the net is least sure, and where it is sure."""
_NAMED = 28
"""Classes of which the names stand beside the picture, at most."""


def figure(found: Regions) -> Any:
    """The regions, darker where the net is surer, with lines where one answer meets another."""
    from matplotlib.figure import Figure

    drawn: Any = Figure(figsize=(7.6, 6.2), layout="constrained")
    axes = drawn.subplots()
    extent = (found.x[0], found.x[-1], found.y[0], found.y[-1])
    if found.kind == "class":
        axes.imshow(_tinted(found), extent=extent, origin="lower", aspect="auto", interpolation="nearest")
        _borders(axes, found)
    else:
        _shades(drawn, axes, found, extent)
    _points(axes, found)
    axes.set(xlim=extent[:2], ylim=extent[2:], xlabel=plain(found.axes[0]), ylabel=plain(found.axes[1]))
    axes.set_title(f"{plain(found.net)}\n{plain(found.data)}", fontsize=9, loc="left")
    return drawn


def _borders(axes: Any, found: Regions) -> None:
    """Lines where a class has as high a score as the best of the others."""
    import numpy as np

    for number in range(found.answer.shape[2]):
        ahead = found.answer[..., number] - np.delete(found.answer, number, axis=2).max(axis=2, initial=-np.inf)
        if ahead.min() < 0 < ahead.max():
            axes.contour(found.x, found.y, ahead, levels=[0.0], colors="black", linewidths=0.8)


def _shades(drawn: Any, axes: Any, found: Regions, extent: tuple[float, ...]) -> None:
    """A single answer by shade; the line where a probability is a half."""
    values, probable = found.answer[..., 0], found.kind == "probability"
    limits: dict[str, Any] = {"vmin": 0.0, "vmax": 1.0, "cmap": _between()} if probable else {"cmap": "viridis"}
    shades = axes.imshow(values, extent=extent, origin="lower", aspect="auto", **limits)
    label = f"probability of '{found.classes[1]}'" if found.classes else "what the net answers"
    drawn.colorbar(shades, ax=axes, label=plain(label))
    if probable and values.min() < 0.5 < values.max():
        axes.contour(found.x, found.y, values, levels=[0.5], colors="black", linewidths=0.8)


def _points(axes: Any, found: Regions) -> None:
    """The points of the data: each class in its colour and marker, else by their values."""
    x, y = found.points.T
    if found.truth is None or not found.classes:
        values = {} if found.truth is None else {"c": found.truth, "cmap": "viridis"}
        axes.scatter(x, y, s=16, edgecolors="black", linewidths=0.4, **values)
        return
    for number, name in enumerate(found.classes):
        mine, look = found.truth == number, style(number)
        if mine.any():
            edge = {"edgecolors": "white", "linewidths": 0.4, "label": short(name, 25)}
            axes.scatter(x[mine], y[mine], s=20, color=look.color, marker=look.marker, **edge)
    if len(found.classes) <= _NAMED:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _tinted(found: Regions) -> Array:
    """The colour of the class at every place (G, G, 3), on white: the more of it, the surer the net is."""
    import numpy as np
    from matplotlib.colors import to_rgb

    names = found.classes or ()
    colours = np.array([to_rgb(style(number).color) for number in range(len(names))])
    best, highest = found.answer.argmax(axis=2), found.answer.max(axis=2)
    least = 1 / found.answer.shape[2]  # no class has a smaller probability and is the likeliest
    sure = np.clip((highest - least) / max(1 - least, least), 0, 1) if found.probable else np.ones_like(highest)
    strength = _FAINT + (_FULL - _FAINT) * sure
    tinted: Array = 1 - strength[..., None] * (1 - colours[best])
    return tinted


def _between() -> Any:
    """Colours from that of the first class over white to that of the second."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", [BLUE, "white", VERMILLION])
