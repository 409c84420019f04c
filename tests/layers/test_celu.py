"""CELU against its definition; with alpha 1 it is ELU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def in_torch(alpha: float) -> Any:
    def function(x: Any) -> Any:
        import torch

        return torch.nn.functional.celu(x, alpha)

    return function


@pytest.mark.parametrize("alpha", [1.0, 0.5, 3.0])
def test_definition_and_derivatives(alpha: float) -> None:
    layer, x = make_layer("CELU", alpha=alpha), blob(2, 3, 4, 5, away_from=[0.0])
    against(each(lambda v: v if v > 0 else alpha * math.expm1(v / alpha)), layer, [x], in_torch=only(in_torch(alpha)))
    as_in_torch(layer, in_torch(alpha), 0.0, 1e300, -1e300)
    assert layer.abilities.in_place
    if alpha == 1:
        np.testing.assert_array_equal(at(layer, *x.ravel())[0], at(make_layer("ELU"), *x.ravel())[0])


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_refused(alpha: float) -> None:
    with pytest.raises(ValidationError):
        make_layer("CELU", alpha=alpha)
