"""Shared params in files: under every layer that has them, into nets that share otherwise or not at all."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import netspec
from netspec.net.graph import ParamKey
from netspec.training import snapshot
from netspec.training.loading import LoadReport, OtherNetError
from tests.helpers.mutations import seeds
from tests.helpers.sessions import session, trained, weights

LAYERS = ("a", "b", "c", "d")


def net(shared: dict[str, str], layers: tuple[str, ...] = LAYERS) -> dict[str, Any]:
    """Layers 3 -> 3 one above the other; those with the same word in `shared` share their weight."""
    chain = [
        {
            "name": name,
            "type": "InnerProduct",
            "num_output": 3,
            "bias_term": False,
            "weight_filler": "xavier",
            "param": [{"name": shared[name]}] if name in shared else [],
        }
        for name in layers
    ]
    return {"name": "chain", "layers": [{"name": "x", "type": "Input", "shape": [2, 3]}, *chain]}


def values(one: netspec.Net) -> dict[str, np.ndarray]:
    return {name: blobs[0].data.copy() for name, blobs in one.params.items()}


def moved(path: Path, source: dict[str, str], target: dict[str, str]) -> tuple[netspec.Net, netspec.Net, LoadReport]:
    """A net that shares as `source`, the net that shares as `target` and loaded its file, and the report."""
    one, other = netspec.Net(net(source), seed=3), netspec.Net(net(target), seed=4)
    one.save(path)
    return one, other, other.load(path)


def test_every_layer_that_has_a_shared_param_has_it_in_the_file(tmp_path: Path) -> None:
    one, other, report = moved(tmp_path / "w.safetensors", {"a": "w", "c": "w"}, {})
    arrays = load_file(tmp_path / "w.safetensors")
    assert arrays.keys() == {f"{name}.weight" for name in LAYERS}
    np.testing.assert_array_equal(arrays["a.weight"], arrays["c.weight"])
    for name, array in values(other).items():
        np.testing.assert_array_equal(array, values(one)[name])
    assert report == LoadReport(("a.weight", "b.weight", "c.weight", "d.weight"), (), ())
    alone = netspec.Net(net({}, ("c",)))
    assert alone.load(tmp_path / "w.safetensors").skipped == ("a.weight", "b.weight", "d.weight")
    np.testing.assert_array_equal(alone.params["c"][0].data, values(one)["a"])


def test_arrays_that_become_one_param(tmp_path: Path) -> None:
    """The last layer's is taken, as in Caffe, and the report says which were not."""
    path = tmp_path / "w.safetensors"
    one, other, report = moved(path, {}, {"a": "w", "b": "w", "d": "w"})
    np.testing.assert_array_equal(other.params["a"][0].data, values(one)["d"])
    assert report.loaded == ("a.weight", "c.weight") and report.left == ()
    assert report.merged == ("'d.weight' was taken, not 'a.weight' or 'b.weight'",)
    assert "shared, but different in the file: 'd.weight' was taken" in str(report)
    arrays = load_file(path) | {"d.weight": load_file(path)["a.weight"]}
    save_file(arrays, path)
    assert other.load(path).merged == ("'d.weight' was taken, not 'b.weight'",)
    save_file(arrays | {"b.weight": arrays["a.weight"]}, path)
    assert other.load(path).merged == ()


def test_a_file_with_one_of_the_sharing_layers_fills_them_all(tmp_path: Path) -> None:
    array = np.arange(9, dtype=np.float32).reshape(3, 3)
    save_file({"b.weight": array}, tmp_path / "w.safetensors")
    one = netspec.Net(net({"a": "w", "b": "w"}))
    report = one.load(tmp_path / "w.safetensors")
    assert (report.loaded, report.left) == (("a.weight",), ("c.weight", "d.weight"))
    np.testing.assert_array_equal(one.params["a"][0].data, array)
    save_file({"b.weight": array[:2]}, tmp_path / "w.safetensors")
    with pytest.raises(OtherNetError, match=r"'b\.weight' is 2x3 in the snapshot and 3x3 in the net"):
        one.load(tmp_path / "w.safetensors")


def test_a_param_of_two_shapes_is_in_the_file_in_both(tmp_path: Path) -> None:
    layers = net({"a": "w", "b": "w"}, ("a", "b"))["layers"]
    layers[1] |= {"num_output": 5}
    layers[2] |= {"transpose": True, "param": [{"name": "w", "share_mode": "PERMISSIVE"}]}
    one = netspec.Net({"name": "two", "layers": layers})
    one.save(tmp_path / "w.safetensors")
    assert {name: array.shape for name, array in load_file(tmp_path / "w.safetensors").items()} == {
        "a.weight": (5, 3),
        "b.weight": (5, 3),
    }
    layers[2] |= {"num_output": 3, "transpose": False}
    other = netspec.Net({"name": "two", "layers": layers}, seed=5)
    other.save(tmp_path / "v.safetensors")
    assert load_file(tmp_path / "v.safetensors")["b.weight"].shape == (3, 5)
    before = values(other)
    other.params["a"][0].data[...] = 0
    assert other.load(tmp_path / "v.safetensors").merged == ()
    for name, array in values(other).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_history_of_a_shared_param_is_there_once(tmp_path: Path) -> None:
    values = {
        "net": net({"b": "w", "d": "w"}),
        "data": {"train": {"source": {"type": "Arrays", "values": [[[1, 2, 3], [4, 5, 6]]]}, "batch_size": 2}},
        "base_lr": 0.01,
        "momentum": 0.9,
        "lr_policy": "fixed",
        "max_iter": 6,
    }
    values["net"]["layers"].append({"name": "loss", "type": "EuclideanLoss", "bottom": ["d", "x"]})
    whole, half = trained(values, 4), trained(values, 2)
    half.snapshot(tmp_path / "two.safetensors")
    state = snapshot.read(tmp_path / "two.safetensors")
    assert state.weights.keys() == {ParamKey(name, "weight") for name in LAYERS}
    assert state.history.keys() == {("momentum", ParamKey(name, "weight")) for name in "abc"}
    one = session(values)
    one.restore(tmp_path / "two.safetensors")
    for _ in range(2):
        one.step()
    one.close()
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(array, weights(one)[name])
    values["net"]["layers"][4]["param"] = []
    with pytest.raises(OtherNetError, match=r"changed since: layers\.d\.param: removed"):
        session(values).restore(tmp_path / "two.safetensors")


@pytest.mark.parametrize("seed", seeds(15))
def test_any_sharing_to_any_other(seed: int, tmp_path: Path) -> None:
    """As if the layers were loaded one after the other, each into its own param or the one that it shares."""
    rng = random.Random(seed)
    source, target = ({name: rng.choice("uvw") for name in LAYERS if rng.random() < 0.7} for _ in range(2))
    one, other, report = moved(tmp_path / "w.safetensors", source, target)
    given, held = values(one), {target.get(name, name): values(one)[name] for name in LAYERS}
    for name, array in values(other).items():
        np.testing.assert_array_equal(array, held[target.get(name, name)])
    differing = {
        target.get(name, name) for name in LAYERS if not np.array_equal(given[name], held[target.get(name, name)])
    }
    assert len(report.merged) == len(differing)
    assert len(report.loaded) == len(held) and not report.left and not report.skipped
