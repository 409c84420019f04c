"""Sweeps of learning rates as a picture: losses of the typical one, smoothed losses of all, the suggested rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.pictures.palette import style
from netspec.pictures.saving import INK, ask_for_library, plain, refuse_foreign, save, settings
from netspec.study.lr_find import Search

ABOVE = 0.5
"""How far above the first loss a picture reaches, as a part of how far the loss fell."""


def ask(file: Path) -> None:
    """Raise NoLibraryError, NothingToPlotError and ExistsError before anything is computed for a picture."""
    ask_for_library(file, "`netspec lr-find -o`", "without -o the curve is printed in characters")
    refuse_foreign(file)


def plot_search(file: Path, found: Search) -> None:
    """Draw sweeps into a file, whose kind its name says. Raises what `ask` raises, and WriteError."""
    ask(file)
    with settings():
        save(figure(found), file)


def figure(found: Search) -> Any:
    """The matplotlib figure of sweeps, to be made and saved under `settings`."""
    from matplotlib.figure import Figure

    one = found.typical
    made = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = made.add_subplot()
    rates = [point.rate for point in one.points]
    look = style(0)
    axes.plot(rates, [point.loss for point in one.points], color=look.color, alpha=0.3, linewidth=0.8, label="loss")
    axes.plot(rates, [point.smoothed for point in one.points], color=look.color, linewidth=1.6, label="smoothed")
    for number, other in enumerate(each for each in found.sweeps if each is not one):
        label = {} if number else {"label": "smoothed, other seeds"}
        points = ([point.rate for point in other.points], [point.smoothed for point in other.points])
        axes.plot(*points, color=INK, alpha=0.45, linewidth=0.8, dashes=(1, 1), **label)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.set_title(plain(f"{one.job.name}: {one.steps} iterations"), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=INK, alpha=0.13, linewidth=0.6)
    if one.lowest is not None:
        fell = one.first - one.lowest.smoothed
        axes.set_ylim(one.lowest.smoothed - 0.3 * abs(fell), one.first + ABOVE * abs(fell))
    if one.suggestion is not None:
        axes.axvline(one.suggestion, color=style(1).color, dashes=(4, 2), label=f"suggested: {one.suggestion:.2g}")
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    return made
