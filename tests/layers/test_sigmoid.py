"""Sigmoid against its definition."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given

from tests.helpers.checks import Array, blob, blobs_away_from, forward, make_layer, run_layer
from tests.helpers.oracle import against, torch_of


@given(blobs_away_from())
def test_definition(x: np.ndarray) -> None:
    (y,) = forward(make_layer("Sigmoid"), x)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x)), rtol=1e-13)


def test_derivatives() -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        return [np.array([1 / (1 + math.exp(-v)) for v in x.ravel()]).reshape(x.shape)]

    against(oracle, make_layer("Sigmoid"), [blob(2, 3, 4, 5)], in_torch=torch_of("sigmoid"))


def test_far_out_it_is_0_or_1_and_flat() -> None:
    result = run_layer(make_layer("Sigmoid"), np.array([-1e4, 0, 1e4, np.nan]), top_diffs=[np.ones(4)], dtype="float32")
    np.testing.assert_array_equal(result.tops[0], np.array([0, 0.5, 1, np.nan], np.float32))
    np.testing.assert_array_equal(result.bottom_diffs[0], np.array([0, 0.25, 0, np.nan], np.float32))
