"""Regions: answers over the plane against the net's own formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.study.regions import regions
from netspec.study.shown import NothingToShowError, Shown
from tests.helpers.looked_at import trained
from tests.helpers.snapshots import snapshot_of

TOY = {"type": "Toy", "kind": "moons", "samples": 40}


def net(*layers: dict[str, Any]) -> list[dict[str, Any]]:
    ip = {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 2, "weight_filler": "xavier"}
    first = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 2], [4]]}
    return [first, ip | layers[0], *layers[1:]]


def shown_of(path: Path, layers: list[dict[str, Any]]) -> Shown:
    feed = {"source": TOY, "batch_size": 4, "transform": [{"type": "Scale", "factor": 2.0}]}
    return Shown(str(snapshot_of(path / "n.safetensors", layers, {"train": feed})))


def test_classes_over_the_plane_are_those_of_the_formula(tmp_path: Path) -> None:
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]}
    shown = shown_of(tmp_path, net({"bias_filler": {"type": "constant", "value": 0.25}}, loss))
    found = regions(shown)
    assert found.kind == "class" and found.probable and found.classes == ("upper", "lower")
    assert found.answer.shape == (len(found.y), len(found.x), 2)
    weight, bias = shown.params("ip").values()
    for row, column in ((0, 0), (17, 250), (300, 40), (150, 299)):
        place = np.array([found.x[column], found.y[row]]) * 2  # the data are doubled
        powers = np.exp(weight @ place + bias)
        np.testing.assert_allclose(found.answer[row, column], powers / powers.sum(), rtol=1e-4)
    assert found.points.shape == (40, 2)
    assert found.x[0] < found.points[:, 0].min() < found.points[:, 0].max() < found.x[-1]
    np.testing.assert_array_equal(found.truth, np.arange(40) % 2)
    assert len(regions(shown, samples=7).points) == 7


def test_a_probability_and_a_value(tmp_path: Path) -> None:
    one = {"num_output": 1}
    sigmoid = {"name": "loss", "type": "SigmoidCrossEntropyLoss", "bottom": ["ip", "label"]}
    for name, loss, kind in (("p", sigmoid, "probability"), ("v", sigmoid | {"type": "EuclideanLoss"}, "value")):
        (tmp_path / name).mkdir()
        shown = shown_of(tmp_path / name, _with_column(net(one, loss)))
        found = regions(shown)
        assert found.kind == kind and found.answer.shape[2] == 1
        weight, bias = shown.params("ip").values()
        value = float(weight[0] @ np.array([found.x[5], found.y[9]]) * 2 + bias[0])
        wanted = 1 / (1 + np.exp(-value)) if kind == "probability" else value
        assert found.answer[9, 5, 0] == pytest.approx(wanted, rel=1e-4)


def _with_column(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels (N,) as a column (N, 1), which these losses compare with the answers."""
    column = {"name": "column", "type": "Reshape", "bottom": "label", "top": "column", "shape": [0, 1]}
    loss = layers[-1] | {"bottom": ["ip", "column"]}
    return [*layers[:-1], column, loss]


def test_a_net_of_other_inputs_has_no_plane(tmp_path: Path, arrays: Path) -> None:
    shown = Shown(str(trained(tmp_path / "tiny", arrays)))
    with pytest.raises(NothingToShowError, match="the net 'tiny' takes 4x1x6x5, not two numbers a sample"):
        regions(shown)
