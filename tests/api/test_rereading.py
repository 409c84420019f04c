"""Backward of layers whose data later layers in place overwrite: the numbers of BVLC Caffe 1.0, for each type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.prototxts import SQUARES, data, layer, net_of

X = [-1.5, -0.25, 0.5, 2]
FIELDS = {
    "ReLU": "relu_param { negative_slope: 0.25 }",
    "ELU": "elu_param { alpha: 0.5 }",
    "Exp": "exp_param { base: 2 scale: 0.5 }",
    "Clip": "clip_param { min: -0.5 max: 0.75 }",
    "Swish": "swish_param { beta: 1.5 }",
    "Power": "power_param { power: 2 scale: 0.5 shift: 1 }",
    "Log": "log_param { base: 10 scale: 0.5 shift: 3 }",
}
ALONE = {
    "ReLU": [-0.09375, -0.015625, 0.5, 2.0],
    "ELU": [-0.0433358, -0.0430675, 0.5, 2.0],
    "Sigmoid": [0.0272081, 0.107763, 0.14628, 0.092478],
    "TanH": [-0.163566, -0.230227, 0.363431, 0.0681093],
    "Exp": [0.122532, 0.291432, 0.490129, 1.38629],
    "BNLL": [0.110814, 0.368678, 0.707113, 1.9004],
    "Clip": [-0.5, -0.25, 0.5, 0.75],
    "Swish": [0.0141209, -0.0322612, 0.286138, 2.073],
    "Power": [1.06348, 1.91217, 3.17285, 9.0],
    "Log": [0.00467437, 0.00452154, 0.0044479, 0.00432723],
}
"""By type, the diff of the blob on which it alone works in place."""
FOLLOWED = {
    "ReLU": [-0.28125, -0.203125, -0.0625, 1.25],
    "ELU": [0.726817, 0.310332, -0.0625, 1.25],
    "Sigmoid": [0.50498, 0.127877, 0.0183413, 0.0148702],
    "TanH": [2.87916, -0.0100854, -0.264024, 0.204223],
    "Exp": [0.00836908, 0.00966606, 0.066855, 0.541521],
    "BNLL": [-0.200888, -0.0794751, 0.124539, 1.09947],
    "Clip": [0, 0, -0.25, 0],
    "Swish": [0.997028, 0.298096, -0.197685, 1.19529],
    "Power": [0.430664, 1.01569, 1.97754, 6.89062],
    "Log": [0.00600972, 0.00578767, 0.00568119, 0.00550746],
}
"""The same where a Bias of -0.75 works in place behind it."""


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("type", ALONE)
def test_overwritten_data(tmp_path: Path, type: str, followed: bool) -> None:
    after = layer("Bias", "h", "h", "bias_param { filler { value: -0.75 } }", "after") if followed else ""
    own = layer("Bias", "x", "h") + layer(type, "h", "h", FIELDS.get(type, ""))
    net = net_of(tmp_path, data("x", 1, 4) + own + after + SQUARES)
    net.forward(x=np.array([X], np.float32))
    net.backward()
    np.testing.assert_allclose(net.blobs["h"].diff[0], (FOLLOWED if followed else ALONE)[type], rtol=2e-5, atol=1e-7)


IMAGE = np.array([1, 2, 4, -1, 0.5, 0.25], np.float32).reshape(1, 2, 3, 1)
OTHER = np.array([0.5, -1, 2, 1.5, 0.25, -0.5], np.float32).reshape(1, 2, 3, 1)
SCALED = layer("Scale", "x", "h", "scale_param { axis: 0 num_axes: 0 filler { value: 1.5 } }")
LAST = layer("Power", "y", "y", "power_param { scale: -2 shift: 0.25 }", "last")
NEARBY = "lrn_param { local_size: 3 alpha: 2 beta: 0.5 }"


@pytest.mark.parametrize(
    ("type", "fields", "diff"),
    [
        ("Softmax", "", [-16.551483, -15.59301, -17.428127, 1.5514826, 0.5930108, 2.428128]),
        ("MVN", "", [-1.2764876, -0.4193449, 1.2949408, -3.0927098, 1.5524514, 0.7782578]),
        ("LRN", NEARBY, [1.5, 3.9263148, 2.1025624, 2.5, 2.0862682, 0.8800079]),
    ],
)
def test_normalised_values_that_are_overwritten(tmp_path: Path, type: str, fields: str, diff: list[float]) -> None:
    squares = SQUARES.replace("'h'", "'y'")
    net = net_of(tmp_path, data("x", 1, 2, 3, 1) + SCALED + layer(type, "h", "y", fields) + LAST + squares)
    net.forward(x=IMAGE)
    net.backward()
    np.testing.assert_allclose(net.blobs["h"].diff.ravel(), diff, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("type", "fields", "values", "diff"),
    [
        (
            "Softmax",
            "",
            [0.9525741, 0.9046505, 0.9964064, 0.0474259, 0.0953495, 0.0035936],
            [0.0408915, 0.0698087, 0.0035549, -0.0408916, -0.0698086, -0.003555],
        ),
        (
            "MVN",
            "",
            [-1.069045, -0.2672612, 1.3363062, -1.3970014, 0.8890009, 0.5080005],
            [1.142857, 0.2857141, -1.4285717, 2.83871, -1.8064517, -1.032258],
        ),
        (
            "LRN",
            NEARBY,
            [0.25, 0.1355932, 0.0398506, 0.25, 0.1355932, 0.0398506],
            [0.2447917, 0.1351425, 0.0398472, 0.2447917, 0.1351425, 0.0398472],
        ),
    ],
)
def test_normalising_in_place(tmp_path: Path, type: str, fields: str, values: list[float], diff: list[float]) -> None:
    net = net_of(tmp_path, data("x", 1, 2, 3, 1) + SCALED + layer(type, "h", "h", fields) + SQUARES)
    net.forward(x=IMAGE)
    net.backward()
    np.testing.assert_allclose(net.blobs["h"].data.ravel(), values, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(net.blobs["h"].diff.ravel(), diff, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "top", "values", "first", "second"),
    [
        (
            "operation: SUM coeff: 2 coeff: -3",
            "h",
            [-1.5, 3, -6, -4.5, -0.75, 1.5],
            [-3, 6, -12, -9, -1.5, 3],
            [9, -18, 36, 27, 4.5, -9],
        ),
        (
            "operation: PROD",
            "h",
            [0.75, -3, 12, -2.25, 0.1875, -0.1875],
            [0.25, 1, 4, 2.25, 0.0625, 0.25],
            [0.1875, -3, 48, -5.0625, 0.01171875, -0.046875],
        ),
        ("operation: MAX", "h", OTHER.ravel().tolist(), [0] * 6, [0] * 6),
        (
            "operation: PROD stable_prod_grad: false",
            "y",
            [1.5, 3, 6, -1.5, 0.75, 0.375],
            [-3.3333333, 8.333333, -15.833333, -12.666667, -0.6666667, 6.6666665],
            [-10, -25, -47.5, 12.666667, -2, -5],
        ),
    ],
)
def test_eltwise_in_place_and_overwritten(
    tmp_path: Path, fields: str, top: str, values: list[float], first: list[float], second: list[float]
) -> None:
    given = data("x", 1, 2, 3, 1) + data("r", 1, 2, 3, 1) + SCALED + layer("Bias", "r", "b")
    own = layer("Eltwise", "h b", top, f"eltwise_param {{ {fields} }}") + (LAST if top == "y" else "")
    net = net_of(tmp_path, given + own + SQUARES.replace("'h'", f"'{top}'"))
    net.forward(x=IMAGE, r=OTHER)
    net.backward()
    np.testing.assert_allclose(net.blobs["h"].data.ravel(), values, rtol=2e-5)
    np.testing.assert_allclose(net.blobs["h"].diff.ravel(), first, rtol=2e-5)
    np.testing.assert_allclose(net.blobs["b"].diff.ravel(), second, rtol=2e-5)


def test_a_split_hands_out_what_is_overwritten(tmp_path: Path) -> None:
    """Both tops of a Split, and its bottom, are one memory."""
    given = data("x", 2, 3) + SCALED + layer("Split", "h", "a b") + layer("ReLU", "a", "a") + layer("Power", "a", "p")
    net = net_of(tmp_path, given + layer("Eltwise", "p b", "y") + SQUARES.replace("'h'", "'y'"))
    net.forward(x=IMAGE.reshape(2, 3))
    net.backward()
    for name in ("h", "a", "b", "p"):
        np.testing.assert_allclose(net.blobs[name].data, [[1.5, 3.0, 6.0], [0.0, 0.75, 0.375]])
    for name in ("a", "b", "p"):
        np.testing.assert_allclose(net.blobs[name].diff, [[3.0, 6.0, 12.0], [0.0, 1.5, 0.75]])
    np.testing.assert_allclose(net.blobs["h"].diff, [[6.0, 12.0, 24.0], [0.0, 3.0, 1.5]])
    np.testing.assert_allclose(net.params["Scale"][0].diff, 127.875)


@pytest.mark.parametrize(
    ("type", "fields"), [("Flatten", ""), ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }")]
)
def test_a_view_shares_the_diff_that_it_does_not_pass_down(tmp_path: Path, type: str, fields: str) -> None:
    view = layer(type, "h", "y", f"{fields} propagate_down: false")
    net = net_of(tmp_path, data("x", 1, 2, 3) + SCALED + view + SQUARES.replace("'h'", "'y'"))
    net.forward(x=IMAGE.reshape(1, 2, 3))
    net.backward()
    np.testing.assert_allclose(net.blobs["y"].diff, net.blobs["y"].data)
    np.testing.assert_allclose(net.blobs["h"].diff, net.blobs["h"].data)
    assert net.params["Scale"][0].diff == 0


@pytest.mark.parametrize(("fields", "adds"), [("axis: 0 num_axes: -1", 1), ("axis: 0", 1), ("axis: 1", 2)])
def test_scale_without_batch_axes_overwrites_its_gradient(tmp_path: Path, fields: str, adds: int) -> None:
    net = net_of(tmp_path, data("x", 2, 3) + layer("Scale", "x", "h", f"scale_param {{ {fields} }}") + SQUARES)
    net.forward(x=np.arange(6, dtype=np.float32).reshape(2, 3))
    net.backward()
    once = net.params["Scale"][0].diff.copy()
    net.backward()
    np.testing.assert_array_equal(net.params["Scale"][0].diff, adds * once)


def test_lstm_unit_writes_both_diffs(tmp_path: Path) -> None:
    given = data("c", 1, 2, 1) + data("x", 1, 2, 4) + data("cont", 1, 2)
    unit = layer("Scale", "x", "gates", "scale_param { axis: 0 num_axes: 0 }") + layer(
        "LSTMUnit", "c gates cont", "d h"
    )
    net = net_of(tmp_path, given + unit + SQUARES)
    net.forward(c=np.ones((1, 2, 1)), x=np.ones((1, 2, 4)), cont=np.ones((1, 2)))
    net.backward()
    assert np.all(net.blobs["c"].diff != 0)


def test_a_loss_that_is_read_has_its_default_weight_too(tmp_path: Path) -> None:
    loss = layer("EuclideanLoss", "h l", "loss", "loss_weight: 3") + layer("Silence", "loss", "")
    net = net_of(tmp_path, data("x", 2, 3) + data("l", 2, 3) + layer("Bias", "x", "h") + loss)
    net.forward(x=np.ones((2, 3)))
    assert net.blobs["loss"].diff == 1
    net.backward()
    assert net.blobs["loss"].diff == 3
