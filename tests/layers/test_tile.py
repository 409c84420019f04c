"""Tile against its definition, along every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (6,), (3, 2, 7)])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_definition(shape: tuple[int, ...], axis: int) -> None:
    if axis >= len(shape):
        pytest.skip("no such axis")

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        y = np.zeros([size * 3 if i == axis % x.ndim else size for i, size in enumerate(x.shape)])
        for index in np.ndindex(*y.shape):
            y[index] = x[tuple(i % size for i, size in zip(index, x.shape, strict=True))]
        return [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [bottoms[0].repeat(*(3 if i == axis % len(shape) else 1 for i in range(len(shape))))]

    against(oracle, make_layer("Tile", axis=axis, tiles=3), [blob(*shape)], in_torch=in_torch)


def test_long_blocks_and_many_tiles() -> None:
    x, v = blob(2, 5000), np.random.default_rng(1).standard_normal((2, 35000))
    result = run_layer(make_layer("Tile", tiles=7), x, top_diffs=[v])
    np.testing.assert_array_equal(result.tops[0], np.concatenate([x] * 7, axis=1))
    np.testing.assert_allclose(result.bottom_diffs[0], v.reshape(2, 7, 5000).sum(1), rtol=1e-13, atol=1e-13)


def test_shapes() -> None:
    layer = make_layer("Tile", tiles=3)
    assert layer.top_shapes(((2, 3, 4, 5),)) == ((2, 9, 4, 5),)
    assert layer.shape_arithmetic(((2, 3, 4, 5),)) == "3*3 = 9"
    with pytest.raises(ShapeError, match="axis 1 does not exist"):
        layer.top_shapes(((2,),))
    for fields in ({}, {"tiles": 0}):
        with pytest.raises(ValidationError):
            make_layer("Tile", **fields)
