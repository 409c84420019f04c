"""Pad against its definition and PyTorch, in every mode and along any axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.receptive import POINT
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against


def pad(**fields: Any) -> Any:
    return make_layer("Pad", **fields)


def place(i: int, size: int, mode: str) -> int | None:
    """The position of an axis that position i, before or behind it, takes its value from; None for a constant."""
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "replicate":
        return 0 if i < 0 else size - 1
    return -i if i < 0 else 2 * (size - 1) - i


CASES: list[tuple[tuple[int, ...], dict[str, Any], tuple[tuple[int, int], ...]]] = [
    ((2, 3, 4, 5), {"pad": 2}, ((2, 2), (2, 2))),
    ((2, 3, 4, 5), {"pad": [3, 1]}, ((3, 3), (1, 1))),
    ((2, 5, 4, 6), {"pad_beg": [0, 2], "pad_end": [3, 1]}, ((0, 3), (2, 1))),
    ((2, 3, 4, 5), {"pad_end": 3}, ((0, 3), (0, 3))),
    ((3, 4, 6), {"pad_beg": 2}, ((2, 0),)),
    ((2, 3, 4, 3, 5), {"pad": [2, 0, 1]}, ((2, 2), (0, 0), (1, 1))),
    ((2, 4, 3, 5), {"pad": 2, "axis": 1}, ((2, 2), (2, 2), (2, 2))),
    ((2, 4, 3, 5), {"pad": 2, "axis": -1}, ((2, 2),)),
    ((5, 4), {"pad": [3, 1], "axis": 0}, ((3, 3), (1, 1))),
]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize(("shape", "fields", "sides"), CASES, ids=str)
def test_definition(
    mode: str, shape: tuple[int, ...], fields: dict[str, Any], sides: tuple[tuple[int, int], ...]
) -> None:
    value = {"value": -1.5} if mode == "constant" else {}
    layer, whole = pad(mode=mode, **fields, **value), ((0, 0),) * (len(shape) - len(sides)) + sides

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        y = np.full([size + a + b for size, (a, b) in zip(shape, whole, strict=True)], -1.5)
        for index in np.ndindex(*y.shape):
            at = [place(i - a, size, mode) for i, (a, _), size in zip(index, whole, shape, strict=True)]
            if None not in at:
                y[index] = bottoms[0][tuple(at)]
        return [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.pad(bottoms[0], [v for both in sides[::-1] for v in both], mode, **value)]

    known = mode == "constant" or len(shape) - len(sides) in {1, 2}
    if mode == "reflect" and any(max(both) >= size for both, size in zip(whole, shape, strict=True)):
        with pytest.raises(ShapeError, match="can be mirrored to at most"):
            layer.top_shapes((shape,))
        return
    against(oracle, layer, [blob(*shape)], in_torch=in_torch if known else None)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_a_large_image(mode: str, layout: str) -> None:
    """Many parts; the gradient of the sum of y * v is v folded back."""
    x, v = blob(3, 18, 41, 40), np.random.default_rng(1).standard_normal((3, 18, 45, 44))
    result = run_layer(pad(mode=mode, pad=2), x, top_diffs=[v], layout=layout)
    kind: Any = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[mode]
    np.testing.assert_array_equal(result.tops[0], np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), kind))
    u = np.random.default_rng(2).standard_normal(x.shape)
    moved = np.pad(u, ((0, 0), (0, 0), (2, 2), (2, 2)), kind)
    np.testing.assert_allclose((result.bottom_diffs[0] * u).sum(), (v * moved).sum(), rtol=1e-10)


def test_arithmetic_and_fields_of_view() -> None:
    layer, x = pad(pad_beg=[1, 2], pad_end=2), (2, 3, 5, 4)
    assert layer.shape_arithmetic((x,)) == "1+5+2 = 8, 2+4+2 = 8"
    assert pad(pad=1).shape_arithmetic(((2, 3, 5, 5),)) == "1+5+1 = 7"
    assert layer.receptive_field((x,), [POINT]).over((2, 3, 8, 8)).start == (-1, -2)


@pytest.mark.parametrize(
    ("fields", "shape", "field", "words"),
    [
        ({"pad": [1, 2, 3]}, (2, 3, 4, 5), "pad", "for 3 axes, but .* 2 padded axes"),
        ({"pad": 1}, (2, 3), "axis", "axis 2 does not exist"),
        ({"pad_end": 4, "mode": "reflect"}, (2, 3, 4, 5), "pad_end", "4 values .* mirrored to at most 3, not 4"),
        ({"pad": 1, "mode": "replicate", "axis": 0}, (2, 3, 4, 5), "axis", "at most 3 axes, but .* 4 from axis 0"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        pad(**fields).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pad": -1},
        {"pad": 1, "pad_end": 2},
        {"pad": 1, "mode": "circular"},
        {"pad": 1, "mode": "reflect", "value": 2.0},
        {"pad": 1, "value": float("inf")},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        pad(**fields)
