"""PoissonLoss against its definition and PyTorch, of log rates and of rates, with and without Stirling's part."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against

COUNTS = np.array([[0, 1, 2, 5], [3, 0, 7, 1], [1, 4, 0, 30]], float)


@pytest.mark.parametrize("log_input", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_definition_and_derivatives(log_input: bool, full: bool) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        total = 0.0
        for x, t in zip(bottoms[0].flat, bottoms[1].flat, strict=True):
            total += np.exp(x) - t * x if log_input else x - t * log(x + 1e-8)
            if full and t > 1:
                total += t * log(t) - t + log(2 * pi * t) / 2
        return [np.array(total / 12)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.poisson_nll_loss(*bottoms, log_input=log_input, full=full)]

    x = blob(3, 4) if log_input else np.abs(blob(3, 4)) + 0.5
    layer = make_layer("PoissonLoss", normalization="FULL", log_input=log_input, full=full)
    against(oracle, layer, [x, COUNTS], in_torch=in_torch)


def test_the_batch_size_divides() -> None:
    assert forward(make_layer("PoissonLoss"), np.zeros((3, 4)), COUNTS)[0] == 4
    with pytest.raises(ValidationError):
        make_layer("PoissonLoss", eps=0)
