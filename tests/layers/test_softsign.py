"""Softsign against its definition."""

from __future__ import annotations

from typing import Any

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.softsign(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("Softsign"), blob(2, 3, 4, 5, away_from=[0.0])
    against(each(lambda v: v / (1 + abs(v))), layer, [x], in_torch=only(in_torch))
    as_in_torch(layer, in_torch, 0.0, 1e6, -1e6)
    assert layer.abilities.in_place
