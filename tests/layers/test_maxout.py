"""Maxout against its definition: the greatest of several products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(
    "fields", [{}, {"pieces": 3}, {"bias_term": False}, {"transpose": True, "pieces": 3}, {"axis": 2}, {"axis": 0}]
)
def test_definition_and_derivatives(fields: dict[str, Any]) -> None:
    x, m = blob(3, 4, 5), 7
    layer = make_layer("Maxout", num_output=m, **fields)
    pieces, axis, transpose = fields.get("pieces", 2), fields.get("axis", 1), fields.get("transpose", False)

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        weight = params[0].T if transpose else params[0]
        all_pieces = []
        for p in range(pieces):
            bias = params[1][p * m : p * m + m] if len(params) > 1 else None
            all_pieces.append(naive.inner_product(bottoms[0], weight[p * m : p * m + m], bias, axis))
        return [np.max(all_pieces, axis=0)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        weight = params[0].T if transpose else params[0]
        y = bottoms[0].flatten(axis) @ weight.T + (params[1] if len(params) > 1 else 0)
        return [y.unflatten(-1, (pieces, m)).amax(-2)]

    against(oracle, layer, [x], in_torch=in_torch)


def test_a_small_example() -> None:
    """|x| is the greater of x and -x; at 0 the first piece rules."""
    layer = make_layer("Maxout", num_output=1, bias_term=False)
    x, w = np.array([[3.0], [-2], [0]]), np.array([[1.0], [-1]])
    result = run_layer(layer, x, params=[w], top_diffs=[np.ones((3, 1))])
    np.testing.assert_array_equal(result.tops[0], [[3], [2], [0]])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[1], [-1], [1]])
    np.testing.assert_array_equal(result.param_diffs[0], [[3], [-2]])


def test_one_piece_is_an_inner_product() -> None:
    x, params = blob(3, 4), [blob(5, 4, seed=2), blob(5, seed=3)]
    one, other = (
        forward(make_layer(type, num_output=5, **fields), x, params=params)[0]
        for type, fields in (("Maxout", {"pieces": 1}), ("InnerProduct", {}))
    )
    np.testing.assert_array_equal(one, other)


def test_shapes_and_cost() -> None:
    layer, x = make_layer("Maxout", num_output=3, pieces=2), ((5, 2, 4),)
    assert layer.top_shapes(x) == ((5, 3),)
    assert layer.param_shapes(x) == ((6, 8), (6,))
    assert layer.param_arithmetic(x) == "(8+1)*6 = 54"
    assert layer.macs(x, ((5, 3),)) == 5 * 8 * 6


def test_refused() -> None:
    for fields in ({"num_output": 0}, {}, {"num_output": 3, "pieces": 0}):
        with pytest.raises(ValidationError):
            make_layer("Maxout", **fields)
