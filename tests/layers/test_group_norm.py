"""GroupNorm against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("shape", "group"), [((2, 6, 5, 4), 3), ((2, 6, 5, 4), 1), ((3, 4), 2), ((2, 6, 37), 6)])
def test_definition_and_derivatives(shape: tuple[int, ...], group: int, affine: bool) -> None:
    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        x, some = bottoms[0], shape[1] // group
        y = np.empty_like(x)
        for n in range(shape[0]):
            for g in range(group):
                own = x[n, g * some : (g + 1) * some]
                y[n, g * some : (g + 1) * some] = (own - own.mean()) / np.sqrt(own.var() + 0.125)
            for c in range(shape[1] if affine else 0):
                y[n, c] = y[n, c] * params[0][c] + params[1][c]
        return [y]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.group_norm(bottoms[0], group, *(params or (None, None)), eps=0.125)]

    against(oracle, make_layer("GroupNorm", group=group, affine=affine, eps=0.125), [blob(*shape)], in_torch=in_torch)


@pytest.mark.parametrize(("fields", "text"), [({"group": 0}, "greater than 0"), ({"eps": -1.0}, "greater than or")])
def test_bad_fields(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_layer("GroupNorm", **fields)


def test_bad_shapes() -> None:
    with pytest.raises(ShapeError, match=r"the 6 channels of .* are not a multiple of `group` 4"):
        make_layer("GroupNorm", group=4).top_shapes(((2, 6, 5),))
    with pytest.raises(ShapeError, match="has no channels"):
        make_layer("GroupNorm").top_shapes(((4,),))
