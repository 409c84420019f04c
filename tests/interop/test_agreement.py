"""Differences of outputs: their size, other shapes, values that are not finite."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from netspec.interop.agreement import DisagreementError, check, difference


def test_a_difference_is_measured_by_the_largest_value_of_the_other_program() -> None:
    found = difference("random", "y", np.array([[1.0, -3.0, 2.5]]), np.array([[1.0, -4.0, 2.0]]))
    assert (found.absolute, found.relative, found.agrees) == (1.0, 0.25, False)
    assert difference("random", "y", np.array([1e-7]), np.array([0.0])).relative == 1e-7
    assert difference("random", "y", np.zeros((0, 3)), np.zeros((0, 3))).agrees


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"),
    [
        ([1.0, nan], [1.0, nan], True),
        ([1.0, inf], [1.0, inf], True),
        ([1.0, inf], [1.0, -inf], False),
        ([1.0, nan], [1.0, 2.0], False),
        ([1.0, 2.0], [[1.0, 2.0]], False),
    ],
)
def test_shapes_and_what_is_not_finite_must_be_equal(ours: list[float], theirs: list[float], agrees: bool) -> None:
    assert difference("random", "y", np.array(ours), np.array(theirs)).agrees == agrees


def test_the_worst_difference_is_told() -> None:
    pairs = [("a", 1.0, 1.001), ("b", 1.0, 2.0), ("c", 1.0, 1.0)]
    found = [difference("2 samples", name, np.array([x]), np.array([y])) for name, x, y in pairs]
    with pytest.raises(DisagreementError, match=r"'b' by 5\.0e-01 of its largest value on 2 samples"):
        check(found, "another program")
    check(found[2:], "another program")
