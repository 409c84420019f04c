"""HardSigmoid against its definition."""

from __future__ import annotations

from typing import Any

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.hardsigmoid(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("HardSigmoid"), blob(2, 3, 4, 5, scale=3.0, away_from=[-3.0, 3.0])
    definition = each(lambda v: min(max(v + 3, 0), 6) / 6)
    against(definition, layer, [x])
    against(definition, layer, [x], in_torch=only(in_torch), rtol=1e-7)  # PyTorch's 1/6 is a float32
    as_in_torch(layer, in_torch, -3.0, 3.0, 1e30, -1e30)
    assert layer.abilities.in_place
