"""Figures of curves, against definitions and drawn numbers."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import pytest

from netspec.training.curve import MOST, noise, part, thinned, thirds, trend
from netspec.training.history import Series


def series(*values: float, every: int = 10) -> Series:
    count = len(values)
    return Series("loss", tuple(every * i for i in range(count)), (None,) * count, (0.0,) * count, values)


def test_a_part_is_cut_by_iterations_and_has_no_values_that_are_not_finite() -> None:
    one = series(5, nan, 3, 2, float("inf"))
    assert part(one, 0, 1) == [5, 3, 2] and part(one, 0.5, 1) == [3, 2] and part(one, 0, 0.25) == [5]
    assert part(series(), 0, 1) == []


def test_noise_is_that_of_normal_numbers_about_any_line_and_few_wild_ones_leave_it() -> None:
    drawn = np.random.default_rng(1).normal(0, 0.3, 4000)
    values = drawn + np.linspace(5, 1, 4000)
    assert noise(list(values)) == pytest.approx(0.3, rel=0.05)
    values[::50] += 100
    assert noise(list(values)) == pytest.approx(0.3, rel=0.1)
    assert noise([1.0]) == 0.0


def test_a_trend_counts_pairs() -> None:
    """Worked by hand: 5, 3, 4, 2, 1 has 9 pairs that fall and 1 that rises; the variance is 5 * 4 * 15 / 18."""
    assert trend([5, 3, 4, 2, 1]) == pytest.approx((-8 + 1) / sqrt(5 * 4 * 15 / 18))
    assert trend([1, 2, 3]) == 0.0 and trend([2, 2, 2, 2, 2]) == 0.0


def test_numbers_without_a_trend_hardly_ever_seem_to_have_one() -> None:
    random = np.random.default_rng(2)
    found = [trend(random.standard_cauchy(40).tolist()) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=0.15) and np.std(found) == pytest.approx(1, abs=0.12)
    assert sum(abs(z) > 3 for z in found) <= 4


def test_a_long_curve_is_made_of_medians_of_its_pieces() -> None:
    values = [float(i % 7) for i in range(60_000)]
    values[::10] = [1e9] * 6000
    assert len(thinned(values)) == MOST and max(thinned(values)) < 7
    assert thinned([1.0, 5.0]) == [1.0, 5.0] and thinned([]) == []


def test_thirds_are_medians() -> None:
    assert thirds(series(9, 8, 7, 6, 5, 4, 3, 2, 1, 0)) == (7.5, 4.5, 1.5)
    assert thirds(series(1, nan)) is None
