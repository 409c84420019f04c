"""Mish against its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def in_torch(x: Any) -> Any:
    import torch

    return torch.nn.functional.mish(x)


def test_definition_and_derivatives() -> None:
    layer = make_layer("Mish")
    against(
        each(lambda v: v * math.tanh(math.log1p(math.exp(v)))),
        layer,
        [blob(2, 3, 4, 5, scale=2.0)],
        in_torch=only(in_torch),
    )
    as_in_torch(layer, in_torch, 0.0, -20.0, 19.0)


def test_far_values() -> None:
    for dtype in ("float32", "float64"):
        y, slope = at(make_layer("Mish"), 1e3, -1e3, np.nan, dtype=dtype)
        np.testing.assert_array_equal(y, [1e3, 0, np.nan])
        np.testing.assert_array_equal(slope, [1, 0, np.nan])
