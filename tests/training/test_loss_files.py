"""Losses with a matrix from a file and with a weight for each sample, in trainings: paths, feeds, label checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import netspec
from netspec.core.errors import DataError
from netspec.formats.blob_proto import write_blob
from netspec.training import provenance
from netspec.training.job import load_solver
from tests.helpers.sessions import trained, weights

NET = """
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}
  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: loss, type: InfogainLoss, bottom: [ip, label], source: gain.binaryproto}
"""
WEIGHTED = """
layers:
  - {name: data, type: Input, top: [data, label, weight], shape: [[4, 3], [4], [4]]}
  - {name: ip, type: InnerProduct, num_output: 2, bottom: data, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label, weight]}
"""


def solver(net: str) -> str:
    data = "{train: {source: {type: Arrays, outputs: [x.npy, label.npy]}, batch_size: 4}}"
    return f"{{net: {net}, base_lr: 0.1, lr_policy: fixed, max_iter: 2, data: {data}}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.yaml").write_text(NET)
    (tmp_path / "solver.yaml").write_text(solver("nets/net.yaml"))
    write_blob(tmp_path / "nets" / "gain.binaryproto", np.array([[1, 0.5], [0, 2]], np.float32))
    return tmp_path


def test_a_path_in_a_net_starts_from_the_nets_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shaped = netspec.Net(folder / "nets" / "net.yaml").forward(data=np.ones((4, 3)), label=np.zeros(4))
    assert np.isfinite(shaped["loss"])
    job = load_solver(str(folder / "solver.yaml"))
    written = yaml.safe_load(provenance.config(job))
    assert written["net"]["layers"][2]["source"] == str(folder / "nets" / "gain.binaryproto")
    monkeypatch.chdir(folder / "nets")
    job = load_solver("../solver.yaml", ["net.layers.loss.source=gain.binaryproto"])
    assert yaml.safe_load(provenance.config(job))["net"]["layers"][2]["source"] == str(
        folder / "nets" / "gain.binaryproto"
    )


def test_the_place_of_the_matrix_is_no_part_of_the_net() -> None:
    from tests.helpers.checks import make_layer

    assert make_layer("InfogainLoss", source="a").identity() == make_layer("InfogainLoss", source="b").identity()


def weighted(tmp_path: Path, **arrays: Any) -> dict[str, Any]:
    """A solver whose net reads a weight for each sample."""
    rng = np.random.default_rng(1)
    given = {"x": rng.standard_normal((12, 3)), "label": rng.integers(0, 2, 12), "weight": rng.uniform(0, 1, 12)}
    names = []
    for name, array in (given | arrays).items():
        np.save(tmp_path / f"{name}.npy", np.asarray(array, np.float32))
        names.append(str(tmp_path / f"{name}.npy"))
    feed = {"source": {"type": "Arrays", "outputs": names}, "batch_size": 4, "shuffle": False}
    net = yaml.safe_load(WEIGHTED)
    return {"net": net, "base_lr": 0.5, "lr_policy": "fixed", "max_iter": 3, "data": {"train": feed}}


def test_samples_of_weight_0_teach_nothing(tmp_path: Path) -> None:
    """What they hold, and which label they have, changes no bit of the weights."""
    weight = np.tile([1.0, 0, 0.5, 0], 3)
    x, label = np.random.default_rng(2).standard_normal((12, 3)), np.tile([0, 1, 1, 0], 3)
    one = weights(trained(weighted(tmp_path, x=x, label=label, weight=weight), 3))
    other = np.where(weight[:, None] == 0, 7.0, x)
    two = weights(trained(weighted(tmp_path, x=other, label=np.where(weight == 0, 1 - label, label), weight=weight), 3))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    assert any((one[name] != 0).any() for name in one)


def test_a_wrong_label_beside_weights_is_found_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"label 2\.0, which is not one of 0\.\.1"):
        trained(weighted(tmp_path, label=np.full(12, 2)), 1)
    trained(weighted(tmp_path, weight=np.full(12, 2)), 1).close()
