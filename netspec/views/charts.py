"""Charts in characters: a line over a pair of axes, drawn by plotext, without colours."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, inf, isfinite, log10
from typing import TYPE_CHECKING

from netspec.core.points import Points, thinned

if TYPE_CHECKING:
    from rich.console import RenderableType


def line_chart(points: Points, width: int, height: int, y_text: Callable[[float], str] = "{:.3g}".format) -> str:
    """A line through points, so many columns wide and lines high with its axes; y begins at 0 or below.

    Points whose y is not finite are left out; without any other there is no chart but an empty text.
    """
    import plotext

    points = [(x, y) for x, y in points if isfinite(y)]
    if not points:
        return ""
    xs, ys = zip(*thinned(points, 2 * width), strict=True)
    low, high = min(0.0, *ys), max(0.0, *ys)
    high = high if high > low else low + 1
    plotext.terminal.limit(False, False)  # the caller knows how much room there is
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    figure.draw(figure.signal(list(xs), list(ys), marker="braille").lines())
    across = ticks(xs[0], xs[-1], width // 13)
    figure.ruler("x").ticks(across, [_number(x) for x in across])
    up = ticks(low, high, height // 3)
    figure.ruler("y").lim(low, high).ticks(up, [y_text(y) for y in up])
    text = plotext.uncolorize(str(figure.build()))
    figure.clear()
    return "\n".join(line.rstrip() for line in text.splitlines())


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
