"""ELU against its definition; with alpha 0 it is ReLU."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.checks import blob, check_layer, forward, make_layer, run_layer


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0, -0.5])
def test_definition_and_derivatives(alpha: float) -> None:
    layer, x = make_layer("ELU", alpha=alpha), blob(2, 3, 4, 5, away_from=[0.0])
    check_layer(layer, [x])
    wanted = np.where(x > 0, x, alpha * (np.exp(x) - 1))
    np.testing.assert_allclose(forward(layer, x)[0], wanted, rtol=1e-13)


def test_relu() -> None:
    x = blob(2, 3, 5)
    for phase in ("TRAIN", "TEST"):
        np.testing.assert_array_equal(
            forward(make_layer("ELU", alpha=0.0), x, phase=phase)[0], forward(make_layer("ReLU"), x, phase=phase)[0]
        )


def test_far_values() -> None:
    x = np.array([-1e4, 0.0, 1e4, np.inf, -np.inf, np.nan])
    result = run_layer(make_layer("ELU", alpha=2.0), x, top_diffs=[np.ones(6)])
    np.testing.assert_array_equal(result.tops[0], [-2, 0, 1e4, np.inf, -2, np.nan])
    np.testing.assert_array_equal(result.bottom_diffs[0], [0, 2, 1, 1, 0, np.nan])
