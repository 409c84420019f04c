"""Nets of the zoo, exported to Caffe and imported again: the same digest, or the same outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.interop.exported import exported
from netspec.interop.from_caffe import convert_weights, imported
from netspec.net.digest import digest
from netspec.net.graph import State
from netspec.net.load import load_net
from tests.interop.to_caffe.nets import inputs_of, with_statistics, written

SAME = ("iris_mlp", "linear_svm", "logistic_regression", "mlp", "rosenbrock")
"""Nets whose digests are equal."""
ALIKE = ("lenet", "quadratic", "two_layer_sigmoid", "resnet20")
"""Nets with settings that the deploy view leaves out, or with layers that become several: the outputs are equal."""
LONG = (
    *("alexnet", "char_lstm", "cifar10_quick", "densenet121", "densenet40", "googlenet", "mobilenet_v1"),
    *("resnet152", "resnet50", "resnext50", "squeezenet", "vgg16", "wrn_16_4"),
)


@pytest.mark.parametrize("name", [*SAME, *ALIKE, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_a_round_trip_gives_the_same_net(name: str, tmp_path: Path) -> None:
    net = exported(name).deployed()
    own = netspec.Net(net.net, phase="TEST")
    with_statistics(own)
    own.save(tmp_path / "own.safetensors")
    _, text, model = written(replace(net, weights=tmp_path / "own.safetensors"), tmp_path)
    back = tmp_path / "back.yaml"
    back.write_text(imported(text, tmp_path).text)
    report = convert_weights(text, model, tmp_path / "back.safetensors")
    assert not report.skipped and not report.left
    same = digest(load_net(back, (), State("TEST")).graph) == digest(net.shaped.graph)
    assert same or name not in SAME
    theirs = netspec.Net(back, phase="TEST", weights=tmp_path / "back.safetensors")
    given = inputs_of(own)
    expected, values = own.forward(**given), theirs.forward(**given)
    assert expected.keys() == values.keys()
    for blob, wanted in expected.items():
        assert np.abs(values[blob] - wanted).max() <= 1e-5 * np.abs(wanted).max()
