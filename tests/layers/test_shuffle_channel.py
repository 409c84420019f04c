"""ShuffleChannel against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(("shape", "group"), [((2, 6, 3, 5), 2), ((2, 6, 3, 5), 3), ((3, 12), 4), ((2, 32, 3, 5), 2)])
def test_definition(shape: tuple[int, ...], group: int) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        y, each = np.zeros(shape), shape[1] // group
        for i in range(group):
            for j in range(each):
                y[:, j * group + i] = x[:, i * each + j]
        return [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.channel_shuffle(bottoms[0], group)]

    layer = make_layer("ShuffleChannel", group=group)
    against(oracle, layer, [blob(*shape)], in_torch=in_torch if len(shape) > 2 else None)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"the 6 channels of .* are not a multiple of `group` 4") as caught:
        make_layer("ShuffleChannel", group=4).top_shapes(((2, 6, 3, 5),))
    assert caught.value.field == "group"
    with pytest.raises(ShapeError, match="no channels"):
        make_layer("ShuffleChannel").top_shapes(((6,),))
    with pytest.raises(ValidationError):
        make_layer("ShuffleChannel", group=0)
