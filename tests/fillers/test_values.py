"""values: the numbers as written, nested or flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill


def test_nested_and_flat(fill: Fill) -> None:
    nested = ((1, 2.5, 3), (-4, 5, 6))
    np.testing.assert_array_equal(fill("values", (2, 3), values=nested), nested)
    np.testing.assert_array_equal(fill("values", (3, 2), values=(1, 2.5, 3, -4, 5, 6)), [[1, 2.5], [3, -4], [5, 6]])
    np.testing.assert_array_equal(fill("values", (), values=(7,)), 7)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (((1, 2), (3, 4), (5, 6)), "`values` is 3x2, but the param is 2x3"),
        ((1, 2, 3, 4), "`values` is 4, but the param is 2x3"),
        ((), "`values` is 0,"),
        (((1, 2, 3), (4, 5)), "differ in length or depth"),
        (((1, 2, 3), 4), "differ in length or depth"),
    ],
)
def test_refused_shapes(values: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        FILLERS.parse({"type": "values", "values": values}).check((2, 3))
    assert caught.value.field == "values"


@pytest.mark.parametrize("values", [((1, "x"),), (True,), (None,), 3.0])
def test_refused_values(values: Any) -> None:
    with pytest.raises(ValidationError):
        FILLERS.parse({"type": "values", "values": values})
