"""SmoothL1Loss against its definition and PyTorch; beta and sigma."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(("fields", "beta"), [({}, 1.0), ({"beta": 0.5}, 0.5), ({"sigma": 2.0}, 0.25)])
def test_definition_and_derivatives(fields: dict[str, float], beta: float) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        d = np.abs(bottoms[0] - bottoms[1])
        return [np.array(sum(v**2 / (2 * beta) if v < beta else v - beta / 2 for v in d.flat) / d.size)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.smooth_l1_loss(*bottoms, beta=beta)]

    b = blob(3, 5, 4)
    layer = make_layer("SmoothL1Loss", normalization="FULL", **fields)
    against(oracle, layer, [b + blob(3, 5, 4, seed=2, away_from=[-beta, beta], gap=0.01), b], in_torch=in_torch)


def test_by_hand() -> None:
    a = np.array([[0.5, -3.0, 0.0]])
    result = run_layer(make_layer("SmoothL1Loss"), a, np.zeros((1, 3)), top_diffs=[np.array(1.0)])
    assert result.tops[0] == 0.125 + 2.5
    np.testing.assert_array_equal(result.bottom_diffs[0], [[0.5, -1, 0]])
    assert forward(make_layer("SmoothL1Loss", beta=2.0), np.full((1, 1), 2.0), np.zeros((1, 1)))[0] == 1


def test_one_word_for_the_bend() -> None:
    assert make_layer("SmoothL1Loss", sigma=2.0).identity() == make_layer("SmoothL1Loss", beta=0.25).identity()
    assert make_layer("SmoothL1Loss", sigma=1.0).identity() == {}
    for wrong in ({"beta": 0.0}, {"sigma": 0.0}, {"beta": 1.0, "sigma": 1.0}):
        with pytest.raises(ValidationError):
            make_layer("SmoothL1Loss", **wrong)
