"""Winograd's matrices: the published ones, and what they must do, in exact numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from netspec.codegen.geometry import MINIMAL
from netspec.codegen.transforms import Rows, matrices, turned


def dense(rows: Rows, width: int) -> list[list[float]]:
    """All values of a matrix."""
    return [[dict((j, factor) for factor, j in row).get(column, 0.0) for column in range(width)] for row in rows]


def test_the_published_matrices() -> None:
    """F(4x4, 3x3) in 0, 1, -1, 2, -2 and infinity, as Lavin & Gray 2016 print it (section 4.3)."""
    image, result, filters = matrices(MINIMAL[3])
    assert dense(image, 6) == [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    assert dense(result, 6) == [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
    assert dense(filters, 3) == [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]


@pytest.mark.parametrize("taps", MINIMAL)
def test_the_matrices_filter(taps: int) -> None:
    """At [(G w) . (Bt x)] is y[i] = sum of w[k] x[i + k], for the unit vectors of w and x."""
    minimal = MINIMAL[taps]
    image, result, filters = (
        [[Fraction(value).limit_denominator(10_000) for value in row] for row in dense(rows, width)]
        for rows, width in zip(matrices(minimal), (minimal.side, minimal.side, taps), strict=True)
    )
    for i in range(minimal.step):
        for k in range(taps):
            for j in range(minimal.side):
                value = sum(result[i][f] * filters[f][k] * image[f][j] for f in range(minimal.side))
                assert value == (j == i + k)


def test_turned() -> None:
    assert turned([[(2.0, 0), (3.0, 2)], [(5.0, 2)]], 3) == [[(2.0, 0)], [], [(3.0, 0), (5.0, 1)]]
