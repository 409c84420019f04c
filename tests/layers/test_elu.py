"""ELU against its definition; with alpha 0 it is ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0, -0.5])
def test_definition_and_derivatives(alpha: float) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        return [np.array([v if v > 0 else alpha * (np.exp(v) - 1) for v in x.ravel()]).reshape(x.shape)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.elu(bottoms[0], alpha)]

    x = blob(2, 3, 4, 5, away_from=[0.0])
    against(oracle, make_layer("ELU", alpha=alpha), [x], in_torch=in_torch)


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
