"""The curves of trainings as a picture: panels for loss, scores, rate, gradient, updates and dead units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from netspec.core.optional import library
from netspec.core.points import Points, thinned
from netspec.core.visible import cut, visible
from netspec.pictures.palette import Style, style
from netspec.pictures.saving import INK, ask_for_library, inline_svg, plain, refuse_foreign, save, settings
from netspec.study.curves import ALL, Curves, Line, Panel, Wish, curves
from netspec.training.runs import RunRecord

CURVES = "curves.png"
"""The picture of the curves in a run folder."""
WIDE, HIGH = 10.0, 2.7
"""Inches: the width of a picture, the height of a row of panels."""
_COLUMNS, _FEW, _MARKED = 1200, 30, 15
"""Columns that a line is drawn on; most points of a run's line that has markers; most markers of a line."""
_LONGEST_TITLE, _LONGEST_NAME = 60, 24
"""Characters of a panel's title and of a name in its legend."""
_FILLS = ("full", "none", "left", "bottom")
"""How markers of the tests of a panel are filled."""
_ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.97)}
"""Where a legend stands in the line of its panel's title."""
_LETTERS, _HANDLE, _ROW, _FOOT = 12.5, 7, 0.15, 0.36
"""Letters of a legend on an inch, letters that its lines take; inches of its rows, and from the axis down to it."""
_ALONE_WIDE, _ALONE_HIGH = 3.7, 2.0
"""Inches of a panel that is a drawing of its own."""
_SPARE = 0.015
"""The share of such a drawing's width that stays free on either side, as the letters of a browser may be wider."""
_USUAL = 1e-3
"""An update-to-weight ratio that is usual, as a line in the panel of update ratios."""


def plot_curves(file: Path, records: Sequence[RunRecord], wish: Wish = ALL) -> None:
    """Draw the curves of some runs into a file, whose kind its name says.

    Raises NoLibraryError, NothingToPlotError, ExistsError, NoCurvesError, UnknownCurveError, WriteError.
    """
    ask_for_library(file, "a plot", "`netspec plot --text` draws in characters")
    refuse_foreign(file)
    with settings():
        save(figure(curves(records, wish)), file)


class Drawings(NamedTuple):
    """Curves for a page: an <svg> element for each panel, the runs' names and looks where they are several, notes.

    What is drawn has the colour of the text around it.
    """

    panels: tuple[str, ...]
    runs: tuple[tuple[str, Style], ...]
    notes: tuple[str, ...]


def drawings(records: Sequence[RunRecord], wish: Wish = ALL) -> Drawings:
    """The curves of some runs for a page. Raises NoLibraryError, NoCurvesError, UnknownCurveError."""
    library("matplotlib.figure", "plot", "a picture of curves")
    shown = curves(records, wish)
    with settings():
        figures = [_alone(panel, shown) for panel in shown.panels]
        _align(figures)
        panels = tuple(inline_svg(each, f"curves{number}") for number, each in enumerate(figures))
    several = len(shown.runs) > 1
    runs = tuple((label, style(run)) for run, label in enumerate(shown.runs)) if several else ()
    return Drawings(panels, runs, tuple(_notes(shown)))


def _alone(panel: Panel, shown: Curves) -> Any:
    """A figure of one panel, with a legend of many names below it."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(_ALONE_WIDE, _ALONE_HIGH + _ROW * _rows(panel, _ALONE_WIDE)), layout="constrained")
    _draw(made.subplots(), panel, shown, _ALONE_WIDE)
    return made


def figure(shown: Curves) -> Any:
    """The matplotlib figure of curves, to be made and saved under `settings`."""
    from matplotlib.figure import Figure

    columns = min(2, len(shown.panels))
    rows = ceil(len(shown.panels) / columns)
    words = _Words(shown)
    width = WIDE / columns
    high = rows * (HIGH + _ROW * max(_rows(panel, width) for panel in shown.panels)) + 0.3  # all rows are as high
    made = Figure(figsize=(WIDE, high + words.high), layout="constrained")
    above, below = made.subfigures(2, 1, height_ratios=(high, words.high))
    above.suptitle(words.title, fontsize=11)
    grid = above.add_gridspec(rows, columns)
    spare, first = rows * columns - len(shown.panels), None
    for number, panel in enumerate(shown.panels, spare):  # the first has the room of two where their number is odd
        cell = grid[0, :] if spare and number == spare else grid[number // columns, number % columns]
        axes = above.add_subplot(cell, sharex=first)
        first = first or axes
        _draw(axes, panel, shown, width)
    words.write(below)
    return made


def _columns(panel: Panel, width: float) -> int:
    """Columns of a legend below a panel that is so many inches wide; 0 where it has room beside the title."""
    letters = sum(len(cut(name, _LONGEST_NAME)) + _HANDLE for name in panel.names)
    fit = int(_LETTERS * width)
    if len(panel.names) < 2 or len(cut(panel.heading, _LONGEST_TITLE)) + letters <= fit:
        return 0
    return max(1, min(len(panel.names), fit * len(panel.names) // letters))


def _rows(panel: Panel, width: float) -> int:
    """Rows of the legend below a panel that is so many inches wide."""
    columns = _columns(panel, width)
    return ceil(len(panel.names) / columns) if columns else 0


def _align(figures: Sequence[Any]) -> None:
    """Give figures of one panel each the widest margins of all: panels below and beside one another are even."""
    for each in figures:
        each.draw_without_rendering()
    places = [each.axes[0].get_position() for each in figures]
    left = max(place.x0 for place in places) + _SPARE
    above = max((1 - place.y1) * each.get_figheight() for place, each in zip(places, figures, strict=True))
    for place, each in zip(places, figures, strict=True):
        each.set_layout_engine("none")
        high = 1 - above / each.get_figheight() - place.y0
        each.axes[0].set_position((left, place.y0, 1 - _SPARE - left, high))


class _Words:
    """The strip below the panels: a legend of the runs where there are several, and the notes."""

    def __init__(self, shown: Curves) -> None:
        several = len(shown.runs) > 1
        self.title = f"{len(shown.runs)} trainings" if several else plain(shown.runs[0])
        self._labels = shown.runs if several else ()
        longest = max(map(len, self._labels), default=0)
        self._columns = max(1, min(4, int(WIDE / (0.075 * longest + 0.6))))
        self._notes = [piece for note in _notes(shown) for piece in _wrapped(visible(note), 150)]
        self._rows = ceil(len(self._labels) / self._columns)
        self.high = 0.1 + 0.18 * self._rows + 0.16 * len(self._notes)

    def write(self, place: Any) -> None:
        """Write the strip into its part of the figure."""
        from matplotlib.lines import Line2D

        looks = [style(run) for run in range(len(self._labels))]
        handles = [Line2D([], [], color=one.color, marker=one.marker, dashes=_dashes(one)) for one in looks]
        if handles:
            _legend(place, handles, self._labels, loc="upper center", ncols=self._columns, handlelength=3.5)
        if self._notes:
            place.text(0.01, 0.0, "\n".join(map(plain, self._notes)), fontsize=7.5, va="bottom", alpha=0.8)


def _notes(shown: Curves) -> Iterator[str]:
    """What is said below the panels: how they are to be read, and the notes of the curves."""
    lines = [line for panel in shown.panels for line in panel.lines]
    best = [line.best for line in lines if line.best]
    signs = ["star: the best test" + (f", {best[0][1]:.4g}" if len(shown.runs) == 1 else "")] if best else []
    signs += ["faint: before smoothing"] if any(line.raw for line in lines) else []
    signs += ["shaded: from the lowest to the highest"] if any(line.low for line in lines) else []
    signs += ["dotted: a usual ratio of updates to weights"] if any(map(_has_usual, shown.panels)) else []
    yield from ["; ".join(signs)] if signs else []
    yield from shown.notes


def _has_usual(panel: Panel) -> bool:
    """Whether a panel has the line of a usual update-to-weight ratio."""
    return panel.kind == "updates" and panel.log


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, subsequent_indent="    ")


def _draw(axes: Any, panel: Panel, shown: Curves, width: float) -> None:
    """Draw a panel that is so many inches wide: its lines, its axes, its legend."""
    several, names = len(shown.runs) > 1, panel.names
    axes.set_title(plain(cut(panel.heading, _LONGEST_TITLE)), fontsize=9.5, loc="left")
    axes.set_xlabel(shown.along)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=INK, alpha=0.13, linewidth=0.6)
    drawn = [_line(axes, line, panel, len(shown.runs)) for line in panel.lines]
    if shown.log_x:
        axes.set_xscale("log")
    elif shown.along == "iteration":
        axes.xaxis.get_major_locator().set_params(integer=True)
    if panel.log:
        _logarithmic(axes)
    if panel.kind == "dead" and not panel.log:
        axes.set_ylim(-0.03, 1.03)
    if panel.kind == "rate" and not panel.log:
        axes.set_ylim(0, axes.get_ylim()[1])
    places = {x for line in panel.lines for x, _ in line.points}
    if len(places) == 1 and not shown.log_x:
        axes.set_xlim(min(places) - 1, min(places) + 1)
    if _has_usual(panel):
        axes.axhline(_USUAL, color=INK, alpha=0.4, linewidth=0.8, dashes=(2, 3), zorder=1)
    if len(names) > 1:
        handles = dict(reversed([(line.name, handle) for line, handle in zip(panel.lines, drawn, strict=True)]))
        columns = _columns(panel, width)
        where = _below(axes, columns) if columns else _ABOVE | {"ncols": len(names)}
        shapes = [_neutral(handles[name]) if several else handles[name] for name in names]
        words = [cut(name, _LONGEST_NAME) for name in names]
        _legend(axes, shapes, words, fontsize=7.5, handlelength=2.6, **where)


def _below(axes: Any, columns: int) -> dict[str, Any]:
    """The place of a legend below the name of the x axis."""
    from matplotlib.transforms import ScaledTranslation

    lower = axes.transAxes + ScaledTranslation(0, -_FOOT, axes.figure.dpi_scale_trans)
    return {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": lower, "ncols": columns}


def _logarithmic(axes: Any) -> None:
    """A logarithmic axis of values, with at least two numbers at it, which are written without powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 300 else (1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _line(axes: Any, line: Line, panel: Panel, runs: int) -> Any:
    """Draw a line, and return it. Of several runs each has its colour and dashes; of one run each quantity has."""
    look = style(line.run if runs > 1 else panel.names.index(line.name))
    points = thinned(line.points, _COLUMNS)
    if line.raw:
        axes.plot(*_xy(thinned(line.raw, _COLUMNS)), color=look.color, linewidth=0.7, alpha=0.4, zorder=2)
    if line.low:
        shade = {"color": look.color, "alpha": min(0.15, 0.6 / runs), "linewidth": 0, "zorder": 1}
        axes.fill_between(*_xy(line.low), _xy(line.high)[1], **shade)
    how = {"color": look.color, "linewidth": 1.4, "dashes": _dashes(look), "zorder": 3}
    (drawn,) = axes.plot(*_xy(points), **how, **_marks(line, panel, look, len(points), runs > 1))
    if line.best:
        axes.plot(*line.best, marker="*", markersize=10, color=look.color, markeredgecolor=INK, linewidth=0, zorder=4)
    return drawn


def _marks(line: Line, panel: Panel, look: Style, points: int, several: bool) -> dict[str, Any]:
    """The markers of a line: none where a run's line has many points.

    Of several runs, quantities of a panel differ by them: that of the training has none, later tests have hollow ones.
    """
    tests = [name for name in panel.names if name != "train"]
    bare = line.name not in tests and bool(tests) if several else points > _FEW
    if bare and points > 1:
        return {}
    marks = {"marker": look.marker, "markersize": 4}
    if several:
        fill = _FILLS[tests.index(line.name) % len(_FILLS)] if line.name in tests else _FILLS[0]
        marks |= {"fillstyle": fill, "markevery": ceil(points / _MARKED) or 1}
    return marks


def _xy(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _neutral(line: Any) -> Any:
    """A line as its quantity is drawn for every run, in the colour of no run."""
    from matplotlib.lines import Line2D

    marker = "" if line.get_marker() in {"", "None"} else "o"
    return Line2D(
        [], [], color=INK, alpha=0.7, linewidth=1.4, marker=marker, markersize=4, fillstyle=line.get_fillstyle()
    )


def _dashes(look: Style) -> tuple[Any, ...]:
    """Dashes in matplotlib's words, where (None, None) is a solid line."""
    return look.dashes or (None, None)


def _legend(place: Any, handles: Sequence[Any], names: Sequence[str], **how: Any) -> None:
    """A legend with the names as they are: of its own, matplotlib leaves out names that begin with `_`."""
    made = place.legend(handles, ["name"] * len(names), frameon=False, **{"fontsize": 8, **how})
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_text(plain(name))
