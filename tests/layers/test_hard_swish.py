"""HardSwish against its definition."""

from __future__ import annotations

from typing import Any

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.hardswish(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("HardSwish"), blob(2, 3, 4, 5, scale=3.0, away_from=[-3.0, 3.0])
    against(each(lambda v: v * min(max(v + 3, 0), 6) / 6), layer, [x], in_torch=only(in_torch))
    as_in_torch(layer, in_torch, -3.0, 3.0, 1e30, -1e30)
