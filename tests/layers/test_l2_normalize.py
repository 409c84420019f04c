"""L2Normalize against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("axis", "num_axes"), [(1, 1), (-1, 1), (1, -1), (0, 1), (1, 2)])
def test_definition_and_derivatives(axis: int, num_axes: int, affine: bool) -> None:
    shape = (2, 6, 5, 4)
    first = axis % 4
    last = 4 if num_axes == -1 else first + num_axes

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        x = bottoms[0].reshape(int(np.prod(shape[:first])), -1, int(np.prod(shape[last:])))
        y = np.empty_like(x)
        for o in range(x.shape[0]):
            for i in range(x.shape[2]):
                y[o, :, i] = x[o, :, i] / np.sqrt(sum(v * v for v in x[o, :, i]))
                if affine:
                    y[o, :, i] *= params[0].ravel()
        return [y.reshape(shape)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        y = torch.nn.functional.normalize(bottoms[0].flatten(first, last - 1), dim=first)
        y = y.reshape(shape)
        return [y * params[0].reshape(*shape[first:last], *[1] * (4 - last)) if affine else y]

    layer = make_layer("L2Normalize", axis=axis, num_axes=num_axes, affine=affine)
    against(oracle, layer, [blob(*shape)], in_torch=in_torch)


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 7)])
def test_shorter_than_eps(shape: tuple[int, ...]) -> None:
    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.normalize(bottoms[0], eps=100.0)]

    x = blob(*shape)
    against(lambda b, _: [b[0] / 100], make_layer("L2Normalize", eps=100.0), [x], in_torch=in_torch)
    zeros = run_layer(make_layer("L2Normalize"), np.zeros(shape), top_diffs=[np.zeros(shape)])
    np.testing.assert_array_equal(zeros.tops[0], 0)
    np.testing.assert_array_equal(zeros.bottom_diffs[0], 0)


def test_bad_fields_and_shapes() -> None:
    with pytest.raises(ValueError, match="a vector along no axis"):
        make_layer("L2Normalize", num_axes=0)
    with pytest.raises(ValueError, match="greater than 0"):
        make_layer("L2Normalize", eps=0.0)
    with pytest.raises(ShapeError, match="has no 3 axes from axis 1 on"):
        make_layer("L2Normalize", num_axes=3).top_shapes(((2, 3, 4),))
