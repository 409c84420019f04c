"""The zoo's nets against PyTorch: equal weights give equal losses and gradients. Skipped without torch."""

from __future__ import annotations

import numpy as np
import pytest

import netspec
from netspec.net.graph import State
from netspec.net.load import load_net

torch = pytest.importorskip("torch")

from benchmarks.in_torch import TorchNet  # noqa: E402

NETS = {
    "lenet": [],
    "cifar10_quick": [],
    "resnet20": ["vars.n=1"],
    "wrn_16_4": ["vars.depth=10", "vars.widen=2"],
    "densenet40": ["vars.depth=10", "vars.growth=5", "vars.dropout=0"],
    "mobilenet_v1": ["vars.width=0.25", "vars.size=64", "vars.classes=7"],
    "alexnet": [f"layers.{name}.dropout_ratio=0" for name in ("drop6", "drop7")]
    + [f"layers.{name}.num_output=31" for name in ("fc6", "fc7")],
    "googlenet": ["layers.pool5/drop_7x7_s1.dropout_ratio=0", "blocks.head.layers.drop_fc.dropout_ratio=0"],
    "resnet50": [
        "layers.conv3_x.repeat=2",
        "layers.conv4_x.repeat=1",
        "layers.conv5_x.repeat=1",
        "layers.data.shape=[[2, 3, 64, 64], [2]]",
    ],
    "densenet121": ["vars.units=[2, 1, 2, 1]", "layers.data.shape=[[2, 3, 64, 64], [2]]"],
    "resnext50": ["vars.units=[1, 2, 1, 1]", "vars.groups=8", "layers.data.shape=[[2, 3, 64, 64], [2]]"],
    "transformer_fashion": ["vars.dropout=0", "vars.width=12", "vars.hidden=10"],
    "squeezenet": ["layers.drop9.dropout_ratio=0", "vars.classes=7", "layers.data.shape=[[2, 3, 63, 63], [2]]"],
}


@pytest.mark.parametrize("name", NETS)
def test_loss_and_gradients_are_those_of_torch(name: str) -> None:
    net = netspec.Net(name, phase="TRAIN", batch=2, dtype="float64", overrides=NETS[name], seed=3)
    shaped = load_net(name, NETS[name], State("TRAIN"), batch=2)
    random = np.random.default_rng(5)
    image, label = (tuple(shaped.blobs[i]) for i in shaped.graph.inputs)
    x, y = random.normal(size=image), random.integers(0, 7, size=label).astype(np.float64)
    for param in net.program.weights.data:  # away from equal values, and from zeros that hide mistakes
        param += random.normal(scale=0.01, size=param.shape)
    other = TorchNet(shaped, net.program.weights.data)
    data, labels = (shaped.graph.blobs[i].name for i in shaped.graph.inputs)
    net.forward(**{data: x, labels: y})
    net.backward()
    assert net.program.loss[0] == pytest.approx(other.loss(x, y).item(), rel=1e-9)
    for param, ours, theirs in zip(shaped.graph.params, net.program.weights.diff, other.gradients(x, y), strict=True):
        if ours is not None:
            near = max(1e-9 * np.abs(theirs).max(), 1e-14)  # the gradient of the keys' bias is 0
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=near, err_msg=param.name)
