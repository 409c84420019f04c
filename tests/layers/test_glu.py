"""GLU against its definition, along every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(("axis", "shape"), [(-1, (3, 5, 8)), (1, (3, 6, 2, 5)), (0, (4, 3)), (2, (2, 3, 10, 7))])
def test_definition_and_derivatives(axis: int, shape: tuple[int, ...]) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        a, b = np.split(bottoms[0], 2, axis)
        return [np.array([u / (1 + np.exp(-v)) for u, v in zip(a.ravel(), b.ravel(), strict=True)]).reshape(a.shape)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.glu(bottoms[0], axis)]

    fields = {} if axis == -1 else {"axis": axis}
    result = against(oracle, make_layer("GLU", **fields), [blob(*shape, scale=2.0)], in_torch=in_torch)
    assert result.tops[0].shape[axis] == shape[axis] // 2


def test_refused() -> None:
    with pytest.raises(ShapeError, match="no halves"):
        make_layer("GLU", axis=1).top_shapes(((4, 3),))
    with pytest.raises(ShapeError, match="does not exist"):
        make_layer("GLU", axis=2).top_shapes(((4, 3),))
    assert make_layer("GLU").shape_arithmetic(((4, 6),)) == "6/2 = 3"
