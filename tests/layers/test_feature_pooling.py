"""FeaturePooling against its definition, for every method and axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, distinct, make_layer, run_layer
from tests.helpers.oracle import against


def pooled(group: Array, pool: str) -> float:
    if pool == "MAX":
        return max(group)
    return sum(group) / len(group) if pool == "AVE" else float(np.sqrt(sum(v * v for v in group)))


@pytest.mark.parametrize("pool", ["MAX", "AVE", "L2"])
@pytest.mark.parametrize(
    ("shape", "axis", "k"), [((2, 6, 4, 5), 1, 3), ((3, 8), 1, 2), ((4, 3, 10), -1, 5), ((6, 7), 0, 2), ((2, 5), 1, 1)]
)
def test_definition_and_derivatives(pool: str, shape: tuple[int, ...], axis: int, k: int) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        moved = np.moveaxis(bottoms[0], axis, -1)
        wanted = np.empty((*moved.shape[:-1], moved.shape[-1] // k))
        for index in np.ndindex(*wanted.shape):
            *before, group = index
            wanted[index] = pooled(moved[(*before, slice(group * k, group * k + k))], pool)
        return [np.moveaxis(wanted, -1, axis)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        x = bottoms[0].movedim(axis, -1).unflatten(-1, (-1, k))
        y = x.amax(-1) if pool == "MAX" else x.mean(-1) if pool == "AVE" else x.norm(dim=-1)
        return [y.movedim(-1, axis)]

    fields = {} if axis == 1 else {"axis": axis}
    against(
        oracle, make_layer("FeaturePooling", pool=pool, group_size=k, **fields), [distinct(*shape)], in_torch=in_torch
    )


def test_ties_zeros_and_nan() -> None:
    """The first of equal maxima gets the gradient; at 0 the root of squares has none."""
    x, dy = np.array([[2.0, 2, 1, 2]]), np.array([[5.0]])
    most = run_layer(make_layer("FeaturePooling", group_size=4), x, top_diffs=[dy])
    np.testing.assert_array_equal(most.bottom_diffs[0], [[5, 0, 0, 0]])
    root = run_layer(make_layer("FeaturePooling", group_size=4, pool="L2"), 0 * x, top_diffs=[dy])
    np.testing.assert_array_equal(root.bottom_diffs[0], [[0, 0, 0, 0]])
    for place in range(4):
        bad = run_layer(
            make_layer("FeaturePooling", group_size=4), np.where(np.arange(4) == place, np.nan, x), top_diffs=[dy]
        )
        assert np.isnan(bad.tops[0])
        np.testing.assert_array_equal(bad.bottom_diffs[0], [np.where(np.arange(4) == place, 5, 0)])


def test_refused() -> None:
    for fields in ({}, {"group_size": 0}, {"group_size": 2, "pool": "MEAN"}):
        with pytest.raises(ValidationError):
            make_layer("FeaturePooling", **fields)
    with pytest.raises(ShapeError, match="do not split into groups of 4"):
        make_layer("FeaturePooling", group_size=4).top_shapes(((2, 6),))
    assert make_layer("FeaturePooling", group_size=3).shape_arithmetic(((2, 6),)) == "6/3 = 2"
