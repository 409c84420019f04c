"""Sigmoid against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from tests.helpers.checks import blob, blobs_away_from, check_layer, forward, make_layer, run_layer


@given(blobs_away_from())
def test_definition(x: np.ndarray) -> None:
    (y,) = forward(make_layer("Sigmoid"), x)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x)), rtol=1e-13)


def test_derivatives() -> None:
    check_layer(make_layer("Sigmoid"), [blob(2, 3, 4, 5)])


def test_far_out_it_is_0_or_1_and_flat() -> None:
    result = run_layer(make_layer("Sigmoid"), np.array([-1e4, 0, 1e4, np.nan]), top_diffs=[np.ones(4)], dtype="float32")
    np.testing.assert_array_equal(result.tops[0], np.array([0, 0.5, 1, np.nan], np.float32))
    np.testing.assert_array_equal(result.bottom_diffs[0], np.array([0, 0.25, 0, np.nan], np.float32))
