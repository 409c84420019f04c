"""Rules of axes that are made anew: transposed, levelled, and their runs of copied positions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netspec.lowering.resampling import MOST_EVEN, Rule, cubic, kept, levelled, linear, longest_run, padded, transposed
from tests.helpers.checks import Array


def matrix(rule: Rule, size: int) -> Array:
    """The rule as the matrix that it multiplies the old axis by."""
    result = np.zeros((len(rule), size))
    for i, taps in enumerate(rule):
        for place, weight in taps:
            result[i, place] += weight
    return result


def copies(*places: int) -> Rule:
    return tuple(((place, 1.0),) for place in places)


@given(size=st.integers(2, 9), new=st.integers(1, 12), which=st.sampled_from([linear, cubic]), align=st.booleans())
def test_transposed_and_levelled_rules_are_the_same_matrix(size: int, new: int, which: object, align: bool) -> None:
    rule = (linear if which is linear else cubic)(size, new, size / new, align)
    whole = matrix(rule, size)
    np.testing.assert_array_equal(matrix(transposed(rule, size), new), whole.T)
    even = levelled(rule)
    np.testing.assert_array_equal(matrix(even, size), whole)
    assert len({len(taps) for taps in even}) == 1
    assert len(even[0]) == 1 or len(even[0]) % 2 == 0


def test_uneven_rules_stay() -> None:
    assert levelled(((), ((0, 1.0),))) == ()
    assert levelled((((0, 1.0),) * (MOST_EVEN + 1),)) == ()


def test_runs_of_copied_positions() -> None:
    """(how many, first new position, first old one), at the beginning, in the middle, at the end, or nowhere."""
    assert longest_run(padded(4, 1, 1, True)) == longest_run(copies(1, 0, 1, 2, 3, 2)) == (4, 1, 0)
    assert longest_run(copies(0, 1, 2, 0)) == (3, 0, 0)
    assert longest_run(copies(5, 2, 3, 4)) == (3, 1, 2)
    assert longest_run((*copies(0, 1), ((2, 0.5),), *copies(3, 4, 5, 6))) == (4, 3, 3)
    assert longest_run(copies(0, 0, 1, 1)) == (0, 0, 0)
    assert longest_run(((), *copies(0, 1))) == (2, 1, 0)
    assert longest_run(kept(1)) == (1, 0, 0)
