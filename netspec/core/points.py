"""Points: a line as pairs (x, y), and fewer pairs that draw the same line."""

from __future__ import annotations

from collections.abc import Sequence

Points = Sequence[tuple[float, float]]
"""Points (x, y) in the order of x."""


def thinned(points: Points, columns: int) -> Points:
    """Points that draw the same line on so many columns: of each column the first, lowest, highest and last."""
    if len(points) <= 4 * columns:
        return points
    kept: list[tuple[float, float]] = []
    size = len(points) / columns
    for column in range(columns):
        here = points[round(column * size) : round((column + 1) * size)]
        chosen = {here[0], min(here, key=lambda point: point[1]), max(here, key=lambda point: point[1]), here[-1]}
        kept += sorted(chosen)
    return kept
