"""Charts in characters: lines over a pair of axes, drawn by plotext, without colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, inf, isfinite, log10
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.points import Points, thinned

if TYPE_CHECKING:
    from rich.console import RenderableType

BRAILLE = "braille"
"""The marker of a line in dots, eight to a character."""


def line_chart(points: Points, width: int, height: int, y_text: Callable[[float], str] = "{:.3g}".format) -> str:
    """A line through points, so many columns wide and lines high with its axes; y begins at 0 or below.

    Points whose y is not finite are left out; without any other there is no chart but an empty text.
    """
    return chart([(points, BRAILLE)], width, height, y_text)


def chart(
    lines: Sequence[tuple[Points, str]],
    width: int,
    height: int,
    y_text: Callable[[float], str] = "{:.3g}".format,
    from_zero: bool = True,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """Lines over one pair of axes, each drawn by a character, as `line_chart` draws a single one.

    `from_zero` says that a linear y begins at 0 or below. What is on a logarithmic axis has to be above 0. A later line
    hides an earlier one.
    """
    import plotext

    across, up = _Axis(log_x), _Axis(log_y)
    placed = [([(across.at(x), up.at(y)) for x, y in points if isfinite(y)], marker) for points, marker in lines]
    shown = [(thinned(points, 2 * width), marker) for points, marker in placed if points]
    if not shown:
        return ""
    xs, ys = ([point[side] for points, _ in shown for point in points] for side in (0, 1))
    low, high = (min(0.0, *ys), max(0.0, *ys)) if from_zero and not log_y else (min(ys), max(ys))
    high = high if high > low else low + 1
    plotext.terminal.limit(False, False)  # the caller knows how much room there is
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    for points, marker in shown:
        own = ([x for x, _ in points], [y for _, y in points])
        figure.draw(figure.signal(*own, marker=marker).lines())
    figure.ruler("x").ticks(*across.ticks(min(xs), max(xs), width // 13, _number))
    figure.ruler("y").lim(low, high).ticks(*up.ticks(low, high, height // 3, y_text))
    text = plotext.uncolorize(str(figure.build()))
    figure.clear()
    return "\n".join(line.rstrip() for line in text.splitlines())


class _Axis(NamedTuple):
    """An axis, on which the logarithms of its values lie where it is logarithmic."""

    log: bool

    def at(self, value: float) -> float:
        """The place of a value."""
        return log10(value) if self.log else value

    def ticks(self, low: float, high: float, most: int, word: Callable[[float], str]) -> tuple[list[float], list[str]]:
        """Places between two others, and the values there in words."""
        if not self.log:
            places = ticks(low, high, most)
            return places, [word(place) for place in places]
        powers = range(floor(low), ceil(high) + 1)
        found: list[float] = []
        for factors in ((1,), (1, 3), (1, 2, 5), range(1, 10)):  # as many as there is room for, but two at least
            values = [factor * 10.0**power for power in powers for factor in factors]
            inside = [value for value in values if low <= log10(value) <= high]
            found = inside if len(found) < 2 or len(inside) <= most + 1 else found
        step = max(1, ceil(len(found) / (most + 1)))
        return [log10(value) for value in found[::step]], [word(value) for value in found[::step]]


def stacked(width: int, *parts: RenderableType) -> str:
    """Charts, tables and sentences one below the other, as lines of text; charts are not folded."""
    from rich.console import Console

    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as text:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in text.get().splitlines())


def _number(x: float) -> str:
    """A number under an axis: 450,000, 1.5M."""
    return f"{x / 1e6:g}M" if abs(x) >= 1e6 else f"{x:,g}"


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high at equal distances, `most` steps at most."""
    if high <= low:
        return [low]
    size = 10.0 ** floor(log10((high - low) / max(1, most)))
    step = next((size * one for one in (1, 2, 5, 10, 20) if (high - low) / (size * one) <= most), inf)
    return [n * step for n in range(ceil(low / step), floor(high / step + 1e-9) + 1)]
