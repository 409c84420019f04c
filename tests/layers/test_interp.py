"""Interp against loops and PyTorch's bilinear interpolation between aligned corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against

CASES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"height": 9, "width": 4}, (9, 4)),
    ({"zoom_factor": 2}, (9, 13)),
    ({"shrink_factor": 2}, (3, 4)),
    ({"shrink_factor": 3, "zoom_factor": 2}, (3, 5)),
    ({"height": 8, "width": 5, "pad_beg": -1, "pad_end": -2}, (8, 5)),
    ({"zoom_factor": 3, "pad_end": -1}, (10, 16)),
    ({"height": 1, "width": 1}, (1, 1)),
]
"""Fields, and the size of the top for 5 x 7 pixels."""


@pytest.mark.parametrize(("fields", "size"), CASES, ids=str)
def test_definition(fields: dict[str, Any], size: tuple[int, int]) -> None:
    layer = make_layer("Interp", **fields)
    begin, end = -fields.get("pad_beg", 0), fields.get("pad_end", 0) or None

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x = bottoms[0][:, :, begin:end, begin:end]
        y = np.zeros((*x.shape[:2], *size))
        for i, j in np.ndindex(*size):
            s, t = (
                (k * (m - 1) / (n - 1) if n > 1 else 0.0) for k, m, n in zip((i, j), x.shape[2:], size, strict=True)
            )
            for u, v in np.ndindex(*x.shape[2:]):
                y[:, :, i, j] += x[:, :, u, v] * max(0.0, 1 - abs(s - u)) * max(0.0, 1 - abs(t - v))
        return [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        cut = bottoms[0][:, :, begin:end, begin:end]
        return [torch.nn.functional.interpolate(cut, size, mode="bilinear", align_corners=True)]

    assert layer.top_shapes(((2, 3, 5, 7),)) == ((2, 3, *size),)
    against(oracle, layer, [blob(2, 3, 5, 7)], in_torch=in_torch)


def test_arithmetic() -> None:
    x = (2, 3, 5, 7)
    assert make_layer("Interp", zoom_factor=2).shape_arithmetic((x,)) == "(5-1)*2+1 = 9, (7-1)*2+1 = 13"
    both = make_layer("Interp", zoom_factor=2, shrink_factor=3)
    assert both.shape_arithmetic((x,)) == "floor((5-1)/3)*2+1 = 3, floor((7-1)/3)*2+1 = 5"
    assert make_layer("Interp", height=2, width=3).shape_arithmetic((x,)) == ""


def test_errors() -> None:
    with pytest.raises(ShapeError, match="nothing is left of the 5 values") as caught:
        make_layer("Interp", zoom_factor=2, pad_end=-5).top_shapes(((2, 3, 5, 7),))
    assert caught.value.field == "pad_end"
    with pytest.raises(ShapeError, match="N x C x H x W"):
        make_layer("Interp", zoom_factor=2).top_shapes(((2, 3, 5),))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"height": 3},
        {"width": 3},
        {"height": 3, "width": 4, "zoom_factor": 2},
        {"zoom_factor": 0},
        {"shrink_factor": 0},
        {"zoom_factor": 2, "pad_beg": 1},
        {"zoom_factor": 2, "pad_end": 1},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Interp", **fields)
