"""Points: a line as pairs (x, y), and fewer pairs that draw the same line."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

Points = Sequence[tuple[float, float]]
"""Points (x, y) in the order of x."""


def thinned(points: Points, columns: int) -> Points:
    """Points that draw the same line on so many columns: of each column the first, lowest, highest and last.

    Of values that are not finite one of a column stays, where the line breaks off.
    """
    if len(points) <= 5 * columns:
        return points
    kept: list[tuple[float, float]] = []
    size = len(points) / columns
    for column in range(columns):
        first, last = round(column * size), round((column + 1) * size)
        numbers = range(first, last)
        finite = [number for number in numbers if isfinite(points[number][1])] or [first]
        chosen = {first, last - 1, *(pick(finite, key=lambda number: points[number][1]) for pick in (min, max))}
        chosen |= {next((number for number in numbers if not isfinite(points[number][1])), first)}
        kept += [points[number] for number in sorted(chosen)]
    return kept
