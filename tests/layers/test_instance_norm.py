"""InstanceNorm against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 7), (2, 3, 4, 5, 6)])
def test_definition_and_derivatives(shape: tuple[int, ...], affine: bool) -> None:
    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        y = np.empty_like(bottoms[0])
        for n, sample in enumerate(bottoms[0]):
            for c, plane in enumerate(sample):
                y[n, c] = (plane - plane.mean()) / np.sqrt(plane.var() + 0.125)
                if affine:
                    y[n, c] = y[n, c] * params[0][c] + params[1][c]
        return [y]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        weight, bias = params or (None, None)
        return [torch.nn.functional.instance_norm(bottoms[0], weight=weight, bias=bias, eps=0.125)]

    against(oracle, make_layer("InstanceNorm", affine=affine, eps=0.125), [blob(*shape)], in_torch=in_torch)


def test_bad_fields_and_shapes() -> None:
    with pytest.raises(ValueError, match="`weight_filler` has nothing to fill"):
        make_layer("InstanceNorm", weight_filler={"type": "constant"})
    with pytest.raises(ShapeError, match="a single value in each channel"):
        make_layer("InstanceNorm").top_shapes(((4, 3),))
