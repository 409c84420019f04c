"""RMSNorm against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 7), -1), ((2, 3, 4, 5), 2)])
def test_definition_and_derivatives(shape: tuple[int, ...], axis: int, affine: bool) -> None:
    own = shape[axis % len(shape) :]

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        rows = bottoms[0].reshape(-1, int(np.prod(own)))
        y = np.stack([row / np.sqrt(sum(v * v for v in row) / len(row) + 0.125) for row in rows])
        return [(y * params[0].ravel() if affine else y).reshape(shape)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.rms_norm(bottoms[0], own, *params, eps=0.125)]

    layer = make_layer("RMSNorm", axis=axis, affine=affine, eps=0.125)
    against(oracle, layer, [blob(*shape) + 1], in_torch=in_torch)


def test_bad_fields_and_shapes() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        make_layer("RMSNorm", eps=-1.0)
    with pytest.raises(ValueError, match="has nothing to fill"):
        make_layer("RMSNorm", affine=False, weight_filler={"type": "constant"})
    with pytest.raises(ShapeError, match="axis 2 does not exist"):
        make_layer("RMSNorm", axis=2).top_shapes(((2, 3),))
