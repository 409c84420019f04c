"""Nets that bring their data train, test and resume with a solver that has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.core.errors import NetspecError
from netspec.formats.datum import written
from netspec.training import snapshot
from netspec.training.job import load_solver

h5py = pytest.importorskip("h5py")

NET = """
name: bringing
layers:
- name: in
  type: HDF5Data
  top: [data, label]
  source: train.h5
  batch_size: 8
  shuffle: true
  include: {phase: TRAIN}
- {name: held, type: HDF5Data, top: [data, label], source: test.h5, batch_size: 5, include: {phase: TEST}}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: accuracy, type: Accuracy, bottom: [ip, label], include: {phase: TEST}}
- {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
SOLVER = "net: net.yaml\nbase_lr: 0.5\nlr_policy: fixed\nmax_epoch: 6\ntest_interval: 2 epochs\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, n in (("train", 60), ("test", 13)):
        x = np.random.default_rng(n).standard_normal((n, 3)).astype(np.float32)
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"], file["label"] = x, (x[:, 0] > 0).astype(np.uint8)
    (tmp_path / "net.yaml").write_text(NET)
    (tmp_path / "solver.yaml").write_text(SOLVER)
    return tmp_path


def test_the_layers_say_the_feeds(folder: Path) -> None:
    job = load_solver(str(folder / "solver.yaml"))
    train, test = job.spec.data.train, job.spec.data.test
    assert train and test and (train.batch_size, test.batch_size) == (8, 5)
    assert (train.shuffle, test.shuffle) == (True, False)
    assert job.batch == 8 and job.last(60) == 45


def test_train_test_and_resume(folder: Path, cli) -> None:
    code, _, err = cli("check", "--data", folder / "solver.yaml")
    assert (code, err) == (0, "")
    code, _, err = cli("train", folder / "solver.yaml", "--output", folder / "run")
    assert code == 0 and "60 samples of 3" in err and "test at iter 45" in err, err
    assert (cli("test", folder / "run")[0]) == 0
    whole, part, rest = (folder / name / "snapshots" for name in ("run", "first", "second"))
    code, _, err = cli("train", folder / "solver.yaml", "max_iter=20", "--output", part.parent)
    assert code == 0, err
    again = ("--resume", part / "iter_000020.safetensors", "--output", rest.parent)
    code, _, err = cli("train", folder / "solver.yaml", *again)
    assert code == 0, err
    one, two = (snapshot.read(one / "iter_000045.safetensors").weights for one in (whole, rest))
    assert one.keys() == two.keys() and len(one) == 2
    for key, array in one.items():
        np.testing.assert_array_equal(array, two[key])


def test_the_layers_of_both_phases_may_have_one_name(folder: Path, cli) -> None:
    """Caffe's usual pair: the snapshot keeps the shape of each, predicts, and its run is tested by its own file."""
    (folder / "net.yaml").write_text(NET.replace("name: held", "name: in"))
    code, _, err = cli("check", "--data", folder / "solver.yaml")
    assert (code, err) == (0, "")
    code, _, err = cli("train", folder / "solver.yaml", "-q", "--output", folder / "run")
    assert code == 0, err
    kept = snapshot.read(folder / "run" / "snapshots" / "iter_000045.safetensors").net["layers"]
    assert [one["shape"] for one in kept[:2]] == [[[3], []], [[3], []]]
    assert [one["source"] for one in kept[:2]] == ["train.h5", "test.h5"]
    code, out, err = cli("test", folder / "run", "--format", "json")
    assert code == 0 and '"samples": 13' in out, err
    np.save(folder / "x.npy", np.ones((2, 3), np.float32))
    assert cli("predict", folder / "run", folder / "x.npy")[0] == 0
    code, _, err = cli("train", folder / "solver.yaml", "layers.in.batch_size=2", "--output", folder / "other")
    assert code == 2, err
    code, _, err = cli("train", folder / "solver.yaml", "net.layers.in.batch_size=2", "--output", folder / "other")
    assert code == 2 and "2 entries are called 'in'" in err, err


def test_a_solvers_own_data_come_first(folder: Path) -> None:
    own = "data:\n  train: {source: {type: Random, shape: [3], samples: 30, classes: 2}, batch_size: 4}\n"
    (folder / "solver.yaml").write_text(SOLVER + own)
    job = load_solver(str(folder / "solver.yaml"))
    assert job.batch == 4 and job.spec.data.test is not None and job.spec.data.test.batch_size == 5


def test_an_input_beside_data_is_an_error(folder: Path) -> None:
    other = "- {name: other, type: Input, top: [x], shape: [8, 3], include: {phase: TRAIN}}\n"
    net = (folder / "net.yaml").read_text()
    (folder / "net.yaml").write_text(net.replace("layers:\n", f"layers:\n{other}"))
    with pytest.raises(NetspecError) as caught:
        load_solver(str(folder / "solver.yaml"))
    said = "layer 'in' brings data to phase TRAIN, but 'other' waits"
    assert any(error.code == "NS641" and said in error.message for error in caught.value.errors())


def test_pairlayers_bring_data(folder: Path, cli) -> None:
    """The weights are those of one layer that brings both: samples keep together, also where they are shuffled."""
    code, _, err = cli("train", folder / "solver.yaml", "-q", "--output", folder / "one")
    assert code == 0, err
    two = "- {name: in, type: HDF5Data, top: [data], source: train.h5, batch_size: 8, shuffle: true}\n"
    two = two.replace("}\n", ", include: {phase: TRAIN}}\n")
    two += two.replace("name: in", "name: labels").replace("top: [data]", "top: [label]")
    net = NET.replace(NET[NET.index("- name: in") : NET.index("- {name: held")], two)
    (folder / "net.yaml").write_text(net)
    code, _, err = cli("train", folder / "solver.yaml", "-q", "--output", folder / "two")
    assert code == 0, err
    one, pair = (snapshot.read(folder / name / "snapshots" / "iter_000045.safetensors") for name in ("one", "two"))
    for key, array in one.weights.items():
        np.testing.assert_array_equal(array, pair.weights[key])


def test_a_snapshot_alone_predicts_as_the_layer_reads(tmp_path: Path, cli) -> None:
    """Images are read in the order of channels that the database has, and get the layer's TEST transforms."""
    lmdb, image = pytest.importorskip("lmdb"), np.zeros((3, 6, 6), np.uint8)
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as database, database.begin(write=True) as turn:
        for i in range(12):
            image[:] = 0
            image[2 * (i % 2)] = 200  # blue for class 0, red for class 1, in Caffe's order
            turn.put(b"%02d" % i, written(image, i % 2))
    layers = NET[NET.index("- {name: ip") :].replace("test.h5", "")
    data = "- {name: in, type: Data, top: [data, label], source: db, batch_size: 4, transform_param: {PARAM}}\n"
    param = "crop_size: 4, scale: 0.01, mirror: true"
    (tmp_path / "net.yaml").write_text("layers:\n" + data.replace("PARAM", param) + layers)
    (tmp_path / "solver.yaml").write_text(SOLVER)
    code, _, err = cli("train", tmp_path / "solver.yaml", "-q", "--output", tmp_path / "run")
    assert code == 0, err
    for label, colour in enumerate(((0, 0, 200), (200, 0, 0))):
        Image.new("RGB", (6, 6), colour).save(tmp_path / "x.png")
        code, out, err = cli("predict", tmp_path / "run", tmp_path / "x.png", "--format", "json")
        assert code == 0, err
        assert f'"class": "{label}"' in out[: out.index("probability")] or f'"class": {label}' in out, out
