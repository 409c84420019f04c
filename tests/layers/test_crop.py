"""Crop against indexing by loops, and Caffe's cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, make_layer, run_layer
from tests.helpers.oracle import against


def crop(**fields: Any) -> Any:
    return make_layer("Crop", **fields)


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    ((2, 4, 5, 4), (2, 3, 4, 2), {"axis": 0}, (2, 3, 4, 2), (0, 0, 0, 0)),
    ((2, 4, 5, 4), (2, 3, 4, 2), {}, (2, 4, 4, 2), (0, 0, 0, 0)),
    ((2, 4, 5, 4), (2, 3, 4, 2), {"axis": -1}, (2, 4, 5, 2), (0, 0, 0, 0)),
    ((2, 4, 5, 4), (2, 3, 4, 2), {"axis": 0, "offset": [0, 1, 1, 2]}, (2, 3, 4, 2), (0, 1, 1, 2)),
    ((2, 4, 5, 4), (2, 3, 4, 2), {"axis": 2, "offset": [1, 2]}, (2, 4, 4, 2), (0, 0, 1, 2)),
    ((2, 4, 5, 4), (2, 3, 4, 2), {"offset": 1}, (2, 4, 4, 2), (0, 0, 1, 1)),
    ((2, 4, 5, 4, 3), (2, 3, 4, 2, 3), {"offset": [1, 2, 0]}, (2, 4, 4, 2, 3), (0, 0, 1, 2, 0)),
    ((7, 5), (4, 5), {"axis": 0, "offset": [3, 0]}, (4, 5), (3, 0)),
]
"""(x, the other blob, fields, top, where the cut begins); the first five and the 5-D one are Caffe's."""


@pytest.mark.parametrize(("shape", "like", "fields", "top", "starts"), CASES, ids=str)
def test_definition(
    shape: tuple[int, ...], like: tuple[int, ...], fields: dict[str, Any], top: tuple[int, ...], starts: tuple[int, ...]
) -> None:
    layer = crop(**fields)
    assert layer.top_shapes((shape, like)) == (top,)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        y = np.zeros(top)
        for index in np.ndindex(*top):
            y[index] = bottoms[0][tuple(i + start for i, start in zip(index, starts, strict=True))]
        return [y]

    against(oracle, layer, [blob(*shape), blob(*like)])


def test_the_gradient_is_0_outside_the_cut() -> None:
    x, like = blob(2, 3, 20, 5), blob(2, 3, 12, 4)
    layer = crop(offset=[3, 1])
    result = run_layer(layer, x, like, top_diffs=[np.ones((2, 3, 12, 4))])
    wanted = np.zeros(x.shape)
    wanted[:, :, 3:15, 1:] = 1
    np.testing.assert_array_equal(result.bottom_diffs[0], wanted)
    check_layer(layer, [x, like])


def test_arithmetic_and_the_batch() -> None:
    assert crop(offset=1).shape_arithmetic(((2, 4, 5, 4), (2, 3, 4, 2))) == "5 = 1+4+0, 4 = 1+2+1"
    shapes = ((2, 4, 5, 4), (2, 3, 4, 2))
    assert crop().batch_axes(shapes, (0, 0)) == (0,)
    assert crop(axis=0).batch_axes(shapes, (0, 0)) == (0,)
    assert crop(axis=0).batch_axes(shapes, (0, None)) == (None,)
    assert crop().batch_axes(shapes, (2, None)) == (None,)


@pytest.mark.parametrize(
    ("fields", "shapes", "field", "words"),
    [
        ({}, ((2, 3, 4, 5), (2, 3, 4)), "bottom.1", "as many axes"),
        ({}, ((2, 3, 4, 5), (2, 3, 6, 5)), "bottom.1", "6 from 0 on is past the end"),
        ({"offset": 1}, ((2, 3, 4, 5), (2, 3, 3, 5)), "offset", "5 from 1 on"),
        ({"offset": [0, 1]}, ((2, 3, 4, 5), (2, 3, 4, 5)), "offset.1", "along axis 3"),
        ({"offset": [0, 1, 1]}, ((2, 3, 4, 5), (2, 3, 4, 5)), "offset", "for 3 axes, but .* 2 cut axes"),
        ({"axis": 4}, ((2, 3, 4, 5), (2, 3, 4, 5)), "axis", "axis 4 does not exist"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shapes: Any, field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        crop(**fields).top_shapes(shapes)
    assert caught.value.field == field


def test_refused_fields() -> None:
    with pytest.raises(ValidationError):
        crop(offset=-1)
