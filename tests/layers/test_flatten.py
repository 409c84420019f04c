"""Flatten: Caffe's shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against, torch_of


@pytest.mark.parametrize(
    ("fields", "shape", "words"),
    [
        ({}, (2, 90), "3*6*5 = 90"),
        ({"axis": 2}, (2, 3, 30), "6*5 = 30"),
        ({"end_axis": -2}, (2, 18, 5), "3*6 = 18"),
        ({"axis": 0, "end_axis": -2}, (36, 5), "2*3*6 = 36"),
    ],
)
def test_caffe_shapes(fields: dict[str, Any], shape: tuple[int, ...], words: str) -> None:
    layer, x = make_layer("Flatten", **fields), blob(2, 3, 6, 5)
    assert layer.top_shapes((x.shape,)) == (shape,)
    assert layer.shape_arithmetic((x.shape,)) == words

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [np.array([bottoms[0][place] for place in np.ndindex(*x.shape)]).reshape(shape)]

    in_torch = torch_of("flatten", fields.get("axis", 1), fields.get("end_axis", -1))
    result = against(oracle, layer, [x], in_torch=in_torch)
    np.testing.assert_array_equal(result.tops[0], result.bottoms[0].reshape(shape))
    assert layer.aliases("TRAIN") and layer.aliases("TEST")


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"axis": 4}, "axis"), ({"end_axis": 4}, "end_axis"), ({"axis": 2, "end_axis": 1}, "end_axis")],
)
def test_refused_axes(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ShapeError) as caught:
        make_layer("Flatten", **fields).top_shapes(((2, 3, 6, 5),))
    assert caught.value.field == field
