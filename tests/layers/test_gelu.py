"""GELU against its definitions, by erf and by tanh."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def exact(v: float) -> float:
    return v * 0.5 * math.erfc(-v / math.sqrt(2))


def near(v: float) -> float:
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


def in_torch(approximate: str) -> Any:
    def function(x: Any) -> Any:
        import torch

        return torch.nn.functional.gelu(x, approximate=approximate)

    return function


@pytest.mark.parametrize(("approximate", "definition"), [("none", exact), ("tanh", near)])
def test_definition_and_derivatives(approximate: str, definition: Any) -> None:
    layer = make_layer("GELU", approximate=approximate)
    against(each(definition), layer, [blob(2, 3, 4, 5, scale=2.0)], in_torch=only(in_torch(approximate)))
    as_in_torch(layer, in_torch(approximate), 0.0, 1e-200, -6.0, 9.0, 30.0, -30.0)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_far_values(approximate: str) -> None:
    """Nothing overflows where x^3 would."""
    for dtype in ("float32", "float64"):
        y, slope = at(make_layer("GELU", approximate=approximate), 1e20, -1e20, np.nan, dtype=dtype)
        np.testing.assert_array_equal(y, np.array([1e20, 0, np.nan], dtype))
        np.testing.assert_array_equal(slope, [1, 0, np.nan])


def test_float32_is_as_good_as_its_rounding() -> None:
    x = np.linspace(-6, 6, 4001).astype(np.float32)
    y, slope = at(make_layer("GELU"), *x, dtype="float32")
    wide = x.astype(np.float64)
    share = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in wide])
    np.testing.assert_allclose(y, wide * share, rtol=2e-7, atol=2e-7)
    np.testing.assert_allclose(slope, share + wide * np.exp(-(wide**2) / 2) / np.sqrt(2 * np.pi), rtol=3e-7, atol=3e-7)


def test_refused() -> None:
    with pytest.raises(ValidationError):
        make_layer("GELU", approximate="erf")
