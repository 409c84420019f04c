"""SELU against its definition."""

from __future__ import annotations

import math
from typing import Any

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, each, only
from tests.helpers.oracle import against

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.selu(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("SELU"), blob(2, 3, 4, 5, away_from=[0.0])
    against(each(lambda v: SCALE * v if v > 0 else SCALE * ALPHA * math.expm1(v)), layer, [x], in_torch=only(in_torch))
    as_in_torch(layer, in_torch, 0.0, 1e300, -1e300)
    assert layer.abilities.in_place
