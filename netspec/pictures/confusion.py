"""The confusion matrix as a picture, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netspec.core.optional import library
from netspec.pictures.saving import NothingToPlotError, plain, save, settings

_NUMBERED = 20
"""Classes whose counts stand in the squares."""


def plot(file: Path, heads: Sequence[dict[str, Any]]) -> None:
    """Draw the matrices of all heads of classes into one picture: the share of each true class by shade.

    Raises NothingToPlotError, WriteError.
    """
    found = [head for head in heads if head.get("confusion")]
    if not found:
        large = [head for head in heads if head["task"] == "classes"]
        why = "its classes are too many" if large else "the net tells no classes apart"
        raise NothingToPlotError(f"there is no confusion matrix to draw: {why}", help="leave --plot out")
    figures = library("matplotlib.figure", "plot", "--plot")
    side = max(4.0, min(14.0, 0.5 * max(head["size"] for head in found) + 2))
    with settings():
        figure = figures.Figure(figsize=(side * len(found), side), layout="constrained")
        for axes, head in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
            _draw(axes, head)
        save(figure, file)


def _draw(axes: Any, head: dict[str, Any]) -> None:
    import numpy as np

    matrix = np.array(head["confusion"], np.float64)
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [plain(name) for name in head["classes"] or map(str, range(head["size"]))]
    if len(names) <= 2 * _NUMBERED:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    if len(names) <= _NUMBERED:
        for (row, column), count in np.ndenumerate(matrix):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", color=color, fontsize=8)
    axes.set(xlabel="predicted class", ylabel="true class", title=plain(head["name"]))
