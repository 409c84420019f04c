"""Backward of layers whose data later layers in place overwrite: the numbers of BVLC Caffe 1.0, for each type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec

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


def layer(type: str, bottom: str, top: str, fields: str = "", name: str = "") -> str:
    tops = "".join(f" top: '{each}'" for each in top.split())
    bottoms = "".join(f" bottom: '{each}'" for each in bottom.split())
    return f"layer {{ name: '{name or type}' type: '{type}'{bottoms}{tops} {fields} }}\n"


def data(name: str, *shape: int) -> str:
    dims = " ".join(f"dim: {size}" for size in shape)
    return layer("Input", "", name, f"input_param {{ shape {{ {dims} }} }}", name)


SQUARES = layer("Reduction", "h", "q", "reduction_param { operation: SUMSQ coeff: 0.5 } loss_weight: 1")


def net_of(folder: Path, text: str) -> netspec.Net:
    path = folder / "n.prototxt"
    path.write_text(text)
    return netspec.Net(path, phase="TRAIN")


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("type", ALONE)
def test_overwritten_data(tmp_path: Path, type: str, followed: bool) -> None:
    after = layer("Bias", "h", "h", "bias_param { filler { value: -0.75 } }", "after") if followed else ""
    own = layer("Bias", "x", "h") + layer(type, "h", "h", FIELDS.get(type, ""))
    net = net_of(tmp_path, data("x", 1, 4) + own + after + SQUARES)
    net.forward(x=np.array([X], np.float32))
    net.backward()
    np.testing.assert_allclose(net.blobs["h"].diff[0], (FOLLOWED if followed else ALONE)[type], rtol=2e-5, atol=1e-7)


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
