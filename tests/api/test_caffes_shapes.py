"""Layers on blobs of fewer axes than images have: the numbers of BVLC Caffe 1.0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.prototxts import SQUARES, data, layer, net_of

X = np.array([[1, 2, 4], [-1, 0.5, 0.25]], np.float32)
SCALE = layer("Scale", "x", "h", "scale_param { axis: 0 num_axes: 0 filler { value: 1.5 } }")
POWER = layer("Power", "y", "q", "power_param { power: 2 shift: 1 } loss_weight: 0.5")
WEIGHT = np.array([[0.5, -1, 2], [1, 0.25, -0.5]], np.float32)


@pytest.mark.parametrize("type", ["Convolution", "Deconvolution"])
def test_a_convolution_of_no_spatial_axes_needs_no_size(tmp_path: Path, type: str) -> None:
    own = layer(type, "h", "h2", "convolution_param { num_output: 2 }")
    net = net_of(tmp_path, data("x", 2, 3) + SCALE + own + SQUARES.replace("'h'", "'h2'"))
    weight, bias = net.params[type]
    weight.data[...] = WEIGHT if type == "Convolution" else WEIGHT.T
    net.forward(x=X)
    net.backward()
    np.testing.assert_allclose(net.blobs["h2"].data, [[9.75, -0.75], [-0.75, -1.5]])
    np.testing.assert_allclose(net.blobs["h"].diff, [[4.125, -9.9375, 19.875], [-1.875, 0.375, -0.75]])
    by_weight = weight.diff if type == "Convolution" else weight.diff.T
    np.testing.assert_allclose(by_weight, [[15.75, 28.6875, 58.21875], [1.125, -3.375, -5.0625]])
    np.testing.assert_allclose(bias.diff, [9, -2.25])


def test_a_loss_weight_counts_for_the_items_that_a_filter_keeps(tmp_path: Path) -> None:
    filtered = layer("Filter", "h s", "y")
    net = net_of(tmp_path, data("x", 4, 2) + data("s", 4) + SCALE + filtered + POWER)
    net.forward(x=[[1, 2], [3, -1], [0.5, 0.25], [-2, 4]], s=[1, 0, 1, 0])
    net.backward()
    np.testing.assert_allclose(net.blobs["q"].data, [[6.25, 16.0], [3.0625, 1.890625]])
    np.testing.assert_allclose(net.blobs["q"].diff, np.full((2, 2), 0.5))
    np.testing.assert_allclose(net.blobs["h"].diff, [[2.5, 4.0], [0.0, 0.0], [1.75, 1.375], [0.0, 0.0]])
    np.testing.assert_allclose(net.params["Scale"][0].diff, 11.71875)


MEANS = [-1.069045, -0.2672612, 1.3363062, -1.3970014, 0.8890009, 0.5080005]


@pytest.mark.parametrize(
    ("shape", "across", "top", "y"),
    [
        ((1, 2, 3), "false", (1, 2, 3, 1), MEANS),
        ((2, 3), "true", (2, 3, 1, 1), MEANS),
        ((2, 3), "false", (2, 3, 1, 1), [0] * 6),
        ((6,), "false", (6, 1, 1, 1), [0] * 6),
    ],
)
def test_mvn_gives_four_axes(
    tmp_path: Path, shape: tuple[int, ...], across: str, top: tuple[int, ...], y: list[float]
) -> None:
    own = layer("MVN", "h", "y", f"mvn_param {{ across_channels: {across} }}")
    net = net_of(tmp_path, data("x", *shape) + SCALE + own + POWER)
    net.forward(x=X.reshape(shape))
    net.backward()
    assert net.blobs["y"].data.shape == net.blobs["q"].diff.shape == top
    assert net.blobs["h"].diff.shape == shape
    np.testing.assert_allclose(net.blobs["y"].data.ravel(), y, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["y"].diff.ravel(), np.add(y, 1), rtol=1e-5)
    np.testing.assert_allclose(net.blobs["h"].diff, np.zeros(shape), atol=1e-6)
