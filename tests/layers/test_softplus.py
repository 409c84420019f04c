"""Softplus against its definition; with beta 1 it is BNLL."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import at, each, only
from tests.helpers.oracle import against


def in_torch(beta: float) -> Any:
    """Without the threshold above which PyTorch says y = x."""

    def function(x: Any) -> Any:
        import torch

        return torch.nn.functional.softplus(x, beta, 500.0)

    return function


@pytest.mark.parametrize("beta", [1.0, 0.25, 3.0])
def test_definition_and_derivatives(beta: float) -> None:
    x = blob(2, 3, 4, 5, scale=2.0)
    against(
        each(lambda v: math.log1p(math.exp(beta * v)) / beta),
        make_layer("Softplus", beta=beta),
        [x],
        in_torch=only(in_torch(beta)),
    )


def test_exact_everywhere() -> None:
    """PyTorch's threshold of 20 would lose 2e-9 at 20; a plain log(1 + e^x) all at -40, and overflow at 1000."""
    x = (20.5, -40.0, 1e3, -1e3)
    y, slope = at(make_layer("Softplus"), *x)
    np.testing.assert_allclose(y, [20.5 + math.log1p(math.exp(-20.5)), math.exp(-40), 1e3, 0], rtol=1e-15)
    np.testing.assert_allclose(slope, [1 / (1 + math.exp(-20.5)), math.exp(-40), 1, 0], rtol=1e-15)
    same, same_slope = at(make_layer("BNLL"), *x)
    np.testing.assert_array_equal(y, same)
    np.testing.assert_array_equal(slope, same_slope)


@pytest.mark.parametrize("beta", [0.0, -1.0])
def test_refused(beta: float) -> None:
    with pytest.raises(ValidationError):
        make_layer("Softplus", beta=beta)
