"""Permute against its definition, for orders that need rows, turned blocks and single values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against

CASES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 3, 4, 5), (0, 2, 3, 1)),
    ((2, 3, 4, 5), (0, 1, 3, 2)),
    ((2, 3, 4, 5), (3, 1, 0, 2)),
    ((2, 3, 4, 5), (0, 1, 2, 3)),
    ((2, 3, 4, 5), (1,)),
    ((2, 3, 17, 19), (0, 2, 1, 3)),
    ((6, 7), (1, 0)),
    ((3, 2, 5), (2, 0, 1)),
    ((2, 3, 4, 5, 6), (4, 2, 0, 3, 1)),
    ((2, 3, 1, 4, 5, 2, 3), (6, 4, 2, 0, 5, 3, 1)),
]


@pytest.mark.parametrize(("shape", "order"), CASES, ids=str)
def test_definition(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    whole = (*order, *(axis for axis in range(len(shape)) if axis not in order))

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        y = np.zeros([shape[axis] for axis in whole])
        for index in np.ndindex(*shape):
            y[tuple(index[axis] for axis in whole)] = bottoms[0][index]
        return [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [bottoms[0].permute(*whole)]

    against(oracle, make_layer("Permute", order=order), [blob(*shape)], in_torch=in_torch)


@pytest.mark.parametrize("shape", [(2, 700, 131), (3, 9, 1037)])
def test_blocks_larger_than_a_tile(shape: tuple[int, ...]) -> None:
    x = blob(*shape)
    result = run_layer(make_layer("Permute", order=[0, 2, 1]), x, top_diffs=[x.transpose(0, 2, 1) + 1])
    np.testing.assert_array_equal(result.tops[0], x.transpose(0, 2, 1))
    np.testing.assert_array_equal(result.bottom_diffs[0], x + 1)


def test_the_batch_moves_along() -> None:
    layer = make_layer("Permute", order=[2, 0, 1])
    assert layer.batch_axes(((2, 3, 4),), (0,)) == (1,)
    assert layer.batch_axes(((2, 3, 4),), (None,)) == (None,)
    assert layer.top_shapes(((2, 3, 4),)) == ((4, 2, 3),)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="axis 3 does not exist") as caught:
        make_layer("Permute", order=[0, 3]).top_shapes(((2, 3, 4),))
    assert caught.value.field == "order.1"
    for order in ([0, 0], [], [-1]):
        with pytest.raises(ValidationError):
            make_layer("Permute", order=order)
