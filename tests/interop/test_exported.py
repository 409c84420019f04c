"""What a word names for an export: nets, runs and snapshots, with the weights that they bring."""

from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import UsageError
from netspec.engine.weights import fill_weights, params_by_key
from netspec.interop.exported import exported
from netspec.net.graph import ParamKey
from netspec.net.load import load_net
from netspec.training import snapshot
from netspec.training.answering.trained import NoNetError
from netspec.training.snapshot import Snapshot

_NET = {
    "name": "small",
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 5], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ],
}


def _snapshot(path: Path, net: dict[str, object]) -> dict[ParamKey, np.ndarray]:
    shaped = load_net(_NET)
    arrays = params_by_key(shaped, fill_weights(shaped, "float32", 7))
    snapshot.write(path, Snapshot(None, arrays, net=net))
    return arrays


def test_a_zoo_net_has_the_weights_of_its_fillers() -> None:
    net = exported("lenet").deployed()
    assert net.view is not None and net.view.main.blob == "prob"
    found = net.weighted(net.shaped, seed=3)
    assert found.report is None
    assert found.arrays[ParamKey("conv2", "weight")].shape == (50, 20, 5, 5)


def test_a_snapshot_is_enough_alone(tmp_path: Path) -> None:
    arrays = _snapshot(tmp_path / "small.safetensors", _NET)
    net = exported(str(tmp_path / "small.safetensors")).deployed()
    found = net.weighted(net.shaped)
    assert found.report is not None and not found.report.left
    assert found.arrays.keys() == arrays.keys()
    assert all(np.array_equal(found.arrays[key], arrays[key]) for key in arrays)


def test_weights_alone_are_no_net(tmp_path: Path) -> None:
    _snapshot(tmp_path / "small.safetensors", {})
    with pytest.raises(NoNetError, match="not their net"):
        exported(str(tmp_path / "small.safetensors"))


def test_only_a_run_has_best_weights() -> None:
    with pytest.raises(UsageError, match="not a run folder"):
        exported("lenet", best=True)
