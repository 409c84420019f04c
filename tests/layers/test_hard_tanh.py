"""HardTanh against its definition."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, each, only
from tests.helpers.oracle import against


def in_torch(low: float, high: float) -> Any:
    def function(x: Any) -> Any:
        import torch

        return torch.nn.functional.hardtanh(x, low, high)

    return function


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.25, 2.0)])
def test_definition_and_derivatives(low: float, high: float) -> None:
    layer, x = make_layer("HardTanh", min_val=low, max_val=high), blob(2, 3, 4, 5, scale=2.0, away_from=[low, high])
    against(each(lambda v: min(max(v, low), high)), layer, [x], in_torch=only(in_torch(low, high)))
    as_in_torch(layer, in_torch(low, high), low, high, 1e300, -1e300)
    assert layer.abilities.in_place


@pytest.mark.parametrize("high", [-1.0, -2.0])
def test_refused(high: float) -> None:
    with pytest.raises(ValidationError, match="does not lie below"):
        make_layer("HardTanh", max_val=high)
