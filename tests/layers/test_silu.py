"""SiLU against its definition; it is Swish with beta 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.silu(x)


def test_definition_and_derivatives() -> None:
    layer, x = make_layer("SiLU"), blob(2, 3, 4, 5, scale=2.0)
    against(each(lambda v: v / (1 + math.exp(-v))), layer, [x], in_torch=only(in_torch))
    for one, other in zip(at(layer, *x.ravel()), at(make_layer("Swish"), *x.ravel()), strict=True):
        np.testing.assert_array_equal(one, other)
    as_in_torch(layer, in_torch, 0.0, -700.0, 1e3)
