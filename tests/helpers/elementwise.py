"""Definitions of elementwise layers, for `against`; and values and slopes at points, beside those of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.layers.base import Layer
from tests.helpers.checks import Array, run_layer
from tests.helpers.oracle import Oracle, Torch


def each(value: Callable[[float], float]) -> Oracle:
    """The oracle of a layer whose definition `value` holds for each number alone."""

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [np.array([value(float(v)) for v in bottoms[0].ravel()]).reshape(bottoms[0].shape)]

    return oracle


def only(function: Callable[[Any], Any]) -> Torch:
    """PyTorch's function of one tensor, as `against` calls it."""
    return lambda bottoms, _: [function(bottoms[0])]


def at(layer: Layer, *x: float, dtype: str = "float64") -> tuple[Array, Array]:
    """Tops and slopes at some values."""
    values = np.array(x)
    result = run_layer(layer, values, top_diffs=[np.ones(len(x))], dtype=dtype)
    assert result.bottom_diffs[0] is not None
    return result.tops[0], result.bottom_diffs[0]


def as_in_torch(layer: Layer, function: Callable[[Any], Any], *x: float) -> None:
    """Tops and slopes at kinks and far values are PyTorch's, where it is installed."""
    try:
        import torch
    except ImportError:
        return
    given = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    top = function(given)
    top.sum().backward()
    y, slope = at(layer, *x)
    np.testing.assert_allclose(y, top.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(slope, given.grad.numpy(), rtol=1e-12, atol=1e-12)
