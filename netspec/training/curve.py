"""Figures of a noisy curve that a few wild values do not change: its levels, its noise, its trend.

Source: Sen 1968, Estimates of the regression coefficient based on Kendall's tau; Mann 1945, Nonparametric tests
against trend.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, sqrt
from statistics import median

from netspec.training.history import Series

MOST = 60
"""Points of a curve whose pairs are compared; a longer curve is made of the medians of so many pieces."""
DEVIATION = 1.4826
"""Standard deviation of normal values over their median absolute deviation."""

Values = Sequence[float]


def part(series: Series, first: float, last: float) -> list[float]:
    """The finite values between two shares of a series' iterations, from its first to its last."""
    if not series.iterations:
        return []
    begin, whole = series.iterations[0], series.iterations[-1] - series.iterations[0]
    low, high = begin + first * whole, begin + last * whole
    pairs = zip(series.iterations, series.values, strict=True)
    return [value for iteration, value in pairs if low <= iteration <= high and isfinite(value)]


def noise(values: Values) -> float:
    """The standard deviation of the values about a smooth curve, by the differences of neighbours."""
    steps = [after - before for before, after in pairwise(values)]
    if not steps:
        return 0.0
    middle = median(steps)
    return DEVIATION * median(abs(step - middle) for step in steps) / sqrt(2)


def trend(values: Values) -> float:
    """How surely the values rise (above 0) or fall (below 0): Mann and Kendall's z.

    Without a trend it is normal with variance 1; it is 0 for fewer than 4 values.
    """
    points = thinned(values)
    n = len(points)
    if n < 4:
        return 0.0
    pairs = ((points[i], points[j]) for i in range(n) for j in range(i + 1, n))
    score = sum((after > before) - (after < before) for before, after in pairs)
    return (score - (score > 0) + (score < 0)) / sqrt(n * (n - 1) * (2 * n + 5) / 18)


def thinned(values: Values) -> list[float]:
    """At most `MOST` values: the medians of as many pieces of equal length."""
    pieces = min(MOST, len(values))
    cuts = [round(i * len(values) / pieces) for i in range(pieces + 1)] if pieces else [0]
    return [median(values[first:last]) for first, last in pairwise(cuts)]


def thirds(series: Series) -> tuple[float, float, float] | None:
    """The median of each third of a series; None where a third has no finite value."""
    parts = [part(series, i / 3, (i + 1) / 3) for i in range(3)]
    if not all(parts):
        return None
    first, second, third = map(median, parts)
    return first, second, third
