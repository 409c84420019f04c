"""LRN against loops over its definition, and against numbers worked out for Caffe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import blob, check_layer, forward, make_layer
from tests.helpers.oracle import against, torch_of


def lrn(**fields: Any) -> Layer:
    return make_layer("LRN", **fields)


def across(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """Caffe's reference: s = k + alpha/size * the sum of squares over `size` channels, from c - (size-1)/2 on."""
    s, half = np.full(x.shape, float(k)), (size - 1) // 2
    for c in range(x.shape[1]):
        for i in range(max(0, c - half), min(x.shape[1], c - half + size)):
            s[:, c] += alpha / size * x[:, i] ** 2
    return x * s**-beta


def within(x: np.ndarray, size: int, alpha: float, beta: float) -> np.ndarray:
    """x * (1 + alpha * the average of squares over a window that is padded with zeros) ^ -beta."""
    half, y = (size - 1) // 2, np.empty_like(x)
    squares = np.pad(x**2, ((0, 0), (0, 0), (half, half), (half, half)))
    for h, w in np.ndindex(x.shape[2:]):
        mean = squares[:, :, h : h + size, w : w + size].sum((2, 3)) / size**2
        y[:, :, h, w] = x[:, :, h, w] * (1 + alpha * mean) ** -beta
    return y


PARAMS = [
    {},
    {"local_size": 3, "alpha": 2.0, "k": 2.0},
    {"local_size": 15},
    {"local_size": 1, "beta": 0.5},
    {"beta": 1.25, "alpha": 1e-4},
]


@pytest.mark.parametrize("fields", PARAMS, ids=str)
def test_across_channels(fields: dict[str, Any]) -> None:
    layer, x = lrn(**fields), blob(2, 7, 3, 5)
    values = {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0} | fields
    in_torch = torch_of("nn.functional.local_response_norm", *values.values())
    against(lambda bottoms, _: [across(bottoms[0], *values.values())], layer, [x], in_torch=in_torch)


@pytest.mark.parametrize("fields", [fields for fields in PARAMS if "k" not in fields], ids=str)
def test_within_channel(fields: dict[str, Any]) -> None:
    layer, x = lrn(norm_region="WITHIN_CHANNEL", **fields), blob(2, 3, 7, 5)
    size, alpha, beta = ({"local_size": 5, "alpha": 1.0, "beta": 0.75} | fields).values()

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        means = torch.nn.functional.avg_pool2d(bottoms[0] ** 2, size, 1, size // 2)
        return [bottoms[0] * (1 + alpha * means) ** -beta]

    against(lambda bottoms, _: [within(bottoms[0], size, alpha, beta)], layer, [x], in_torch=in_torch)


def test_small_numbers_of_caffe() -> None:
    x = np.arange(1.0, 5).reshape(1, 4, 1, 1)
    (y,) = forward(lrn(local_size=3), x)
    np.testing.assert_allclose(y.ravel(), [0.4792073, 0.5445456, 0.5082761, 0.7490873], atol=5e-8)
    (y,) = forward(lrn(local_size=3, norm_region="WITHIN_CHANNEL"), np.arange(1.0, 10).reshape(1, 1, 3, 3))
    wanted = [[0.257282, 0.328634, 0.566884], [0.44541, 0.365924, 0.531352], [0.797332, 0.6073, 0.832905]]
    np.testing.assert_allclose(y[0, 0], wanted, atol=5e-7)


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_planes_larger_than_a_tile_and_more_of_them_than_parts(region: str) -> None:
    layer = lrn(norm_region=region, local_size=3)
    for shape in ((2, 5, 24, 31), (3, 71, 4, 6)):
        x = blob(*shape)
        check_layer(layer, [x])
        wanted = across(x, 3, 1, 0.75, 1) if region == "ACROSS_CHANNELS" else within(x, 3, 1, 0.75)
        np.testing.assert_allclose(forward(layer, x)[0], wanted, rtol=1e-13)


def test_a_large_value_leaves_no_trace_beyond_its_window() -> None:
    """A sum that slides in float32 would lose the small channels behind the large one."""
    x = np.full((1, 9, 1, 1), 0.5)
    x[0, 2] = 3e4
    (y,) = forward(lrn(local_size=3), x, dtype="float32")
    np.testing.assert_allclose(y, across(x, 3, 1, 0.75, 1), rtol=1e-6)


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_little_memory_is_needed(region: str) -> None:
    """Of AlexNet's first LRN: less than a hundredth of the blob."""
    shape = (256, 96, 55, 55)
    for backward in (False, True):
        spaces = lrn(norm_region=region).workspaces((shape,), backward).values()
        assert sum(np.prod(space.shape) for space in spaces) < np.prod(shape) / 100


@pytest.mark.parametrize(
    "fields",
    [{"local_size": 4}, {"local_size": 0}, {"norm_region": "WITHIN_CHANNEL", "k": 2.0}, {"norm_region": "ACROSS"}],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        lrn(**fields)


def test_refused_shapes() -> None:
    with pytest.raises(ShapeError, match="reads N x C x H x W"):
        lrn().top_shapes(((2, 3, 4),))


@pytest.mark.parametrize("beta", [0.75, 0.6])
@pytest.mark.parametrize("channels", [1, 5, 19, 20, 96])
def test_any_number_of_channels_and_of_parts(channels: int, beta: float) -> None:
    x = blob(3, channels, 2, 11)
    check_layer(lrn(beta=beta), [x])
    np.testing.assert_allclose(forward(lrn(beta=beta), x)[0], across(x, 5, 1.0, beta, 1.0), rtol=1e-13)
    wide = blob(2, channels, 61, 59)
    np.testing.assert_allclose(forward(lrn(), wide)[0], across(wide, 5, 1.0, 0.75, 1.0), rtol=1e-13)
