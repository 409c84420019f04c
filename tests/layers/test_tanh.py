"""TanH against its definition."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given

from tests.helpers.checks import Array, blob, blobs_away_from, forward, make_layer
from tests.helpers.oracle import against, torch_of


@given(blobs_away_from())
def test_definition(x: np.ndarray) -> None:
    (y,) = forward(make_layer("TanH"), x)
    np.testing.assert_allclose(y, (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), rtol=1e-10, atol=1e-12)


def test_derivatives() -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        return [np.array([math.tanh(v) for v in x.ravel()]).reshape(x.shape)]

    against(oracle, make_layer("TanH"), [blob(2, 3, 4, 5)], in_torch=torch_of("tanh"))


def test_does_not_overflow() -> None:
    """Caffe's test: inputs of standard deviation 1e4."""
    x = blob(2, 10, 3, 4, scale=1e4)
    (y,) = forward(make_layer("TanH"), x, dtype="float32")
    np.testing.assert_allclose(y, np.sign(x))
