"""ReLU6 against its definition; it is HardTanh between 0 and 6."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.relu6(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("ReLU6"), blob(2, 3, 4, 5, scale=4.0, away_from=[0.0, 6.0])
    against(each(lambda v: min(max(v, 0), 6)), layer, [x], in_torch=only(in_torch))
    as_in_torch(layer, in_torch, 0.0, 6.0, 1e30, -1e30)
    assert layer.abilities.in_place
    bounded = make_layer("HardTanh", min_val=0.0, max_val=6.0)
    for one, other in zip(at(layer, *x.ravel()), at(bounded, *x.ravel()), strict=True):
        np.testing.assert_array_equal(one, other)
