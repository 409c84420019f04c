"""KLDivLoss against its definition and PyTorch, of probabilities and of their logarithms."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against


def distribution(*shape: int, seed: int) -> Array:
    e = np.exp(blob(*shape, seed=seed))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("log_target", [True, False])
def test_definition_and_derivatives(log_target: bool) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        total = 0.0
        for x, t in zip(bottoms[0].flat, bottoms[1].flat, strict=True):
            p = exp(t) if log_target else t
            total += p * (log(p) - x) if p else 0.0
        return [np.array(total / 3)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.kl_div(*bottoms, reduction="batchmean", log_target=log_target)]

    x, t = np.log(distribution(3, 5, seed=1)), distribution(3, 5, seed=2)
    if not log_target:
        t[1, 2] = 0
    layer = make_layer("KLDivLoss", log_target=log_target)
    against(oracle, layer, [x, np.log(t) if log_target else t], in_torch=in_torch)


def test_equal_distributions_and_what_is_not_a_number() -> None:
    p = distribution(2, 3, seed=1)
    assert forward(make_layer("KLDivLoss"), np.log(p), p)[0] == pytest.approx(0, abs=1e-15)
    p[1, 1] = np.nan
    assert np.isnan(forward(make_layer("KLDivLoss"), np.zeros((2, 3)), p)[0])
