"""Solvers of Caffe train as Caffe's loop does: weights, histories, losses, tests, data, snapshots and resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.formats import caffe_hdf5, solverstate
from netspec.training import events
from tests.helpers.caffe_loop import Loop, Reader, forward

h5py = pytest.importorskip("h5py")

NET = """
name: "tiny"
layer { name: "in" type: "HDF5Data" top: "data" top: "label" include { phase: TRAIN }
        hdf5_data_param { source: "train.txt" batch_size: 4 } }
layer { name: "in" type: "HDF5Data" top: "data" top: "label" include { phase: TEST }
        hdf5_data_param { source: "test.txt" batch_size: 3 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" %s
        inner_product_param { num_output: 6 weight_filler { type: "xavier" } bias_filler { value: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" %s
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.7 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
ROWS = {"train": 11, "test": 7}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, rows in ROWS.items():
        random = np.random.default_rng(rows)
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = random.standard_normal((rows, 5)).astype(np.float32)
            file["label"] = random.integers(0, 3, rows).astype(np.float32)
        (tmp_path / f"{name}.txt").write_text(f"{name}.h5\n")
    (tmp_path / "net.prototxt").write_text(NET % ("", ""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reader(folder: Path, name: str) -> Reader:
    with h5py.File(folder / f"{name}.h5") as file:
        return Reader(file["data"][:], file["label"][:], 4 if name == "train" else 3)


def text(fields: dict[str, Any]) -> str:
    """A solver's fields as text."""

    def said(key: str, value: Any) -> str:
        quoted = isinstance(value, str) and key not in ("solver_type", "snapshot_format")
        return f'"{value}"' if quoted else str(value).lower() if isinstance(value, bool) else str(value)

    rows = [(key, each) for key, value in fields.items() for each in (value if isinstance(value, list) else [value])]
    return "".join(f"{key}: {said(key, value)}\n" for key, value in rows)


def both(folder: Path, fields: dict[str, Any], **more: Any) -> tuple[netspec.Solver, Loop]:
    """A Solver of the fields, and Caffe's loop from its weights."""
    (folder / "solver.prototxt").write_text('net: "net.prototxt"\n' + text(fields))
    solver = netspec.Solver("solver.prototxt")
    params = [blob.data.astype(np.float64) for blobs in solver.net.params.values() for blob in blobs]
    test = reader(folder, "test") if "test_iter" in fields else None
    return solver, Loop(params, reader(folder, "train"), fields, test, **more)


def compare(solver: netspec.Solver, loop: Loop, tolerance: float = 2e-5) -> None:
    assert solver.iter == loop.iter
    weights = [blob.data for blobs in solver.net.params.values() for blob in blobs]
    for own, wanted in zip(weights, loop.params, strict=True):
        np.testing.assert_allclose(own, wanted, rtol=tolerance, atol=tolerance)
    for slot, wanted_slot in zip(solver.job.spec.rule.slots, loop.history, strict=True):
        for own, wanted in zip(solver._session.train.weights.history, wanted_slot, strict=True):
            if slot in own:
                np.testing.assert_allclose(own[slot], wanted, rtol=20 * tolerance, atol=tolerance)


BASE = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 9}
RUNS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.05},
    "nesterov": {"type": "Nesterov", "momentum": 0.8, "weight_decay": 0.02},
    "adagrad": {"type": "AdaGrad", "weight_decay": 0.02},
    "rmsprop": {"type": "RMSProp", "rms_decay": 0.9, "base_lr": 0.01, "delta": 1e-4},
    "adadelta": {"type": "AdaDelta", "momentum": 0.95, "delta": 1e-4, "base_lr": 1.0},
    "adam": {"type": "Adam", "momentum": 0.9, "momentum2": 0.99, "base_lr": 0.01, "delta": 1e-4},
    "adam without momentum": {"type": "Adam", "base_lr": 0.01, "delta": 1e-3},
    "step": {"lr_policy": "step", "gamma": 0.5, "stepsize": 3},
    "exp": {"lr_policy": "exp", "gamma": 0.9},
    "inv": {"lr_policy": "inv", "gamma": 0.1, "power": 0.75},
    "multistep": {"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [2, 2, 6]},
    "multistep that falls": {"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [4, 1, 8]},
    "poly": {"lr_policy": "poly", "power": 1.5},
    "poly of power 0": {"lr_policy": "poly"},
    "sigmoid": {"lr_policy": "sigmoid", "gamma": 0.7, "stepsize": 4},
    "iter_size and clip": {"iter_size": 3, "clip_gradients": 0.6, "momentum": 0.9, "weight_decay": 0.1},
    "l1": {"regularization_type": "L1", "weight_decay": 0.05},
    "enum type": {"solver_type": "NESTEROV", "momentum": 0.9},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run(folder: Path, name: str) -> None:
    fields = BASE | RUNS[name]
    solver, loop = both(folder, fields)
    if "solver_type" in fields:
        loop.solver = {**fields, "type": "Nesterov"}
    for n in (1, 4, 4):
        solver.step(n)
        loop.step(n)
        assert solver.loss == pytest.approx(loop.losses[-1], rel=1e-4)
    compare(solver, loop)


def test_multipliers(folder: Path) -> None:
    """A param of lr_mult 0 stays, and its gradient is no part of the norm that is clipped."""
    mults = (
        "param { lr_mult: 2 decay_mult: 0 } param { lr_mult: 0 }",
        "param { lr_mult: 0.5 decay_mult: 3 } param { lr_mult: 1 }",
    )
    (folder / "net.prototxt").write_text(NET % mults)
    fields = BASE | {"momentum": 0.9, "weight_decay": 0.1, "clip_gradients": 0.3}
    solver, loop = both(folder, fields, lr_mult=(2, 0, 0.5, 1), decay_mult=(0, 1, 3, 1))
    solver.step(6)
    loop.step(6)
    compare(solver, loop)


@pytest.mark.parametrize("more", [{}, {"test_initialization": False}, {"max_iter": 8, "display": 4}])
def test_tests_are_means_over_batches_that_go_on(folder: Path, more: dict[str, Any]) -> None:
    """Data run on across tests and forwards by hand; the last test is made only where it is due."""
    fields = BASE | {"momentum": 0.9, "test_iter": 3, "test_interval": 4, "snapshot_after_train": False} | more
    solver, loop = both(folder, fields)
    solver.step(3)
    loop.step(3)
    own = solver.test_nets[0].forward()
    assert loop.test is not None
    loss, accuracy, _ = forward_of(loop, loop.test)
    assert (own["loss"], own["accuracy"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(accuracy))
    assert solver.net.forward()["loss"] == pytest.approx(forward_of(loop, loop.train)[0], rel=1e-5)
    made_events = [event for event in solver.events() if isinstance(event, events.Tested)]
    loop.solve()
    made = [(at, scores["test/accuracy"], scores["test/loss"]) for at, scores in solver._session.tests]
    assert [at for at, *_ in made] == [at for at, *_ in loop.tests]
    np.testing.assert_allclose(made, loop.tests, rtol=1e-5)
    assert [event.iteration for event in made_events] == [at for at, *_ in loop.tests if at >= 3]
    assert solver.net.forward()["loss"] == pytest.approx(forward_of(loop, loop.train)[0], rel=1e-4)


def forward_of(loop: Loop, read: Reader) -> Any:
    return forward(loop.params, *read.next())


@pytest.mark.parametrize("hdf5", [False, True])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_snapshots_and_a_resume(folder: Path, hdf5: bool, kind: str) -> None:
    """Caffe's files hold weights, histories and the iteration; a new process reads the data from the beginning."""
    own = {"momentum": 0.9, "type": kind, "snapshot": 3, "snapshot_prefix": "made", "base_lr": 0.02, "delta": 1e-3}
    own |= {"snapshot_format": "HDF5"} if hdf5 else {}
    solver, loop = both(folder, BASE | own | {"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [2, 5]})
    solver.step(4)
    loop.step(3)
    end = ".h5" * hdf5
    path = folder / f"made_iter_3.solverstate{end}"
    state = caffe_hdf5.read_state(path) if hdf5 else solverstate.read_state(path)
    assert (state.iter, state.current_step) == (3, 1) and Path(state.learned_net).name == f"made_iter_3.caffemodel{end}"
    for held, wanted in zip(state.history, [array for slot in loop.history for array in slot], strict=True):
        np.testing.assert_allclose(np.asarray(held).reshape(wanted.shape), wanted, rtol=1e-3, atol=1e-6)
    fresh = netspec.Solver("solver.prototxt")
    fresh.restore(path)
    loop.train.at = 0
    assert fresh.iter == 3
    fresh.step(4)
    loop.step(4)
    compare(fresh, loop)
    solver.restore(path)  # in one process the data go on
    assert solver.iter == 3
    solver.step(1)
    np.testing.assert_array_equal(solver.net.blobs["data"].data, reader_at(folder, 4).next()[0].astype(np.float32))
    assert solver.snapshot().resolve() == folder / f"made_iter_4.solverstate{end}"
    assert solver.snapshot(folder / "own.safetensors").exists() and solver.param.snapshot_prefix == "made"
    fresh.solve()
    assert (folder / f"made_iter_9.caffemodel{end}").exists() and fresh.iter == 9


def reader_at(folder: Path, batches: int) -> Reader:
    read = reader(folder, "train")
    for _ in range(batches):
        read.next()
    return read


def test_an_update_by_hand(folder: Path) -> None:
    fields = BASE | {"momentum": 0.9, "weight_decay": 0.1, "clip_gradients": 2.0}
    solver, loop = both(folder, fields)
    solver.step(2)
    loop.step(2)
    diffs = []
    for number, blob in enumerate(blob for blobs in solver.net.params.values() for blob in blobs):
        assert blob.diff is not None
        blob.diff[...] = 0.1 * (number + 1)
        diffs.append(np.full(blob.data.shape, 0.1 * (number + 1)))
    solver.apply_update()
    loop.update(diffs)
    compare(solver, loop)
    solver.step(1)  # an update reads no data
    loop.step(1)
    compare(solver, loop)


INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 5 } shape { dim: 4 } } }
"""


def test_inputs_are_the_callers(folder: Path, cli: Any) -> None:
    """As in pycaffe, a caller fills the inputs of a solver's net; on the command line nobody does."""
    (folder / "net.prototxt").write_text('name: "tiny"\n' + INPUT + (NET % ("", ""))[NET.index('layer { name: "ip1') :])
    solver, loop = both(folder, BASE)
    for _ in range(3):
        x, y = loop.train.next()
        loop.train.at -= 4
        solver.net.blobs["data"].data[...], solver.net.blobs["label"].data[...] = x, y
        solver.step(1)
        loop.step(1)
    compare(solver, loop)
    code, _, err = cli("train", folder / "solver.prototxt", "--output", folder / "run")
    assert code == 3 and "NS530" in err


def test_several_test_nets(folder: Path) -> None:
    """Nets of other files and stages share weights by the names of layers, and each reads its own data on."""
    other = (
        (NET % ("", ""))
        .replace('top: "accuracy"', 'top: "share"')
        .replace('source: "train.txt"', 'source: "nowhere.txt"')
    )
    (folder / "other.prototxt").write_text(other)
    (folder / "net.prototxt").write_text(
        (NET % ("", "")).replace("include { phase: TEST } }", 'include { phase: TEST stage: "scored" } }')
    )
    fields = BASE | {"test_iter": [2, 3, 1], "test_interval": 2, "test_net": "other.prototxt", "max_iter": 4}
    (folder / "solver.prototxt").write_text(
        'net: "net.prototxt"\n' + text(fields) + 'test_state {}\ntest_state { stage: "scored" }\ntest_state { }\n'
    )
    solver = netspec.Solver("solver.prototxt")
    params = [blob.data.astype(np.float64) for blobs in solver.net.params.values() for blob in blobs]
    loop = Loop(params, reader(folder, "train"), BASE)
    readers = [reader(folder, "test") for _ in range(3)]
    assert [sorted(net.outputs) for net in solver.test_nets] == [["loss", "share"], ["accuracy", "loss"], ["loss"]]
    solver.solve()
    made = iter(solver._session.tests)
    for _ in range(3):
        for name, batches, read in zip(("test", "test1", "test2"), (2, 3, 1), readers, strict=True):
            wanted = np.mean([forward_of(loop, read)[:2] for _ in range(batches)], axis=0)
            assert next(made)[1][f"{name}/loss"] == pytest.approx(wanted[0], rel=1e-5)
        if loop.iter < 4:
            loop.step(2)
    assert solver.test("test1").keys() == {"accuracy", "loss"}


TWO = """
layer { name: "x" type: "HDF5Data" top: "data" hdf5_data_param { source: "train.txt" batch_size: 4 } }
layer { name: "y" type: "HDF5Data" top: "label" hdf5_data_param { source: "train.txt" batch_size: 4 } }
"""


def test_two_data_layers(folder: Path, cli: Any) -> None:
    """Each layer reads its own data: a training is what it would be with one layer for both."""
    (folder / "net.prototxt").write_text('name: "tiny"\n' + TWO + (NET % ("", ""))[NET.index('layer { name: "ip1') :])
    solver, loop = both(folder, BASE | {"test_iter": 2, "test_interval": 3})
    loop.test = reader(folder, "train")
    solver.step(7)
    loop.step(7)
    compare(solver, loop)
    np.testing.assert_allclose(
        [scores["test/loss"] for _, scores in solver._session.tests], [loss for *_, loss in loop.tests], rtol=1e-5
    )
    code, _, err = cli("train", folder / "solver.prototxt", "--output", folder / "run", "-q")
    assert code == 0, err
    code, out, err = cli("test", folder / "run", "--format", "json")
    assert code == 0 and '"samples": 8' in out, err


def test_layers_may_read_in_batches_of_their_own_size(folder: Path) -> None:
    two = TWO.replace(
        'source: "train.txt" batch_size: 4 } }\nlayer { name: "y"',
        'source: "train.txt" batch_size: 2 } }\nlayer { name: "y"',
    )
    net = (
        two
        + """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "sum" type: "Reduction" bottom: "ip" top: "sum" loss_weight: 1 }
layer { name: "other" type: "Reduction" bottom: "label" top: "other" }
"""
    )
    (folder / "net.prototxt").write_text(net)
    own = netspec.Net("net.prototxt", phase="TRAIN")
    data, label = reader(folder, "train"), reader(folder, "train")
    data.batch = 2
    for _ in range(7):
        own.forward()
        np.testing.assert_array_equal(own.blobs["data"].data, data.next()[0].astype(np.float32))
        np.testing.assert_array_equal(own.blobs["label"].data, label.next()[1])
    (folder / "solver.prototxt").write_text('net: "net.prototxt"\n' + text(BASE))
    solver = netspec.Solver("solver.prototxt")
    data.at = label.at = 0
    for _ in range(4):
        solver.step(1)
        np.testing.assert_array_equal(solver.net.blobs["data"].data, data.next()[0].astype(np.float32))
        np.testing.assert_array_equal(solver.net.blobs["label"].data, label.next()[1])


def test_lists_of_files_as_caffe_writes_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in a net, and in the lists that it names, start where Caffe was started: above the files."""
    deep = folder / "examples" / "tiny"
    deep.mkdir(parents=True)
    for name in ROWS:
        (folder / f"{name}.h5").rename(deep / f"{name}.h5")
        (folder / f"{name}.txt").unlink()
        (deep / f"{name}.txt").write_text(f"examples/tiny/{name}.h5\n")
    (deep / "net.prototxt").write_text((NET % ("", "")).replace('source: "', 'source: "examples/tiny/'))
    (deep / "solver.prototxt").write_text(
        'net: "examples/tiny/net.prototxt" snapshot_prefix: "examples/tiny/made"\n' + text(BASE)
    )
    (folder / "elsewhere").mkdir()
    for start in (folder, folder / "elsewhere", deep):
        monkeypatch.chdir(start)
        solver = netspec.Solver(deep / "solver.prototxt")
        solver.step(1)
        np.testing.assert_array_equal(solver.net.blobs["data"].data, reader(deep, "train").next()[0].astype(np.float32))
        assert solver.snapshot().resolve() == deep / "made_iter_1.solverstate"


DUMMY = """
layer { name: "in" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 5 } shape { dim: 4 }
                           data_filler { value: 0.5 } data_filler { value: 1 } } }
layer { name: "shift" type: "Power" bottom: "data" top: "data" power_param { shift: 0.25 } }
"""


def test_constants_keep_what_a_caller_writes(folder: Path) -> None:
    """As in Caffe, which fills constants once; also where a layer works on them in place, from then on again."""
    (folder / "net.prototxt").write_text('name: "tiny"\n' + DUMMY + (NET % ("", ""))[NET.index('layer { name: "ip1') :])
    solver, loop = both(folder, BASE | {"momentum": 0.9})
    x, y = loop.train.next()
    loop.train.x, loop.train.y = x + 0.25, y
    loop.train.at = 0
    np.testing.assert_array_equal(solver.net.blobs["label"].data, np.ones(4))
    solver.net.blobs["label"].data[...] = y
    for _ in range(3):
        solver.net.blobs["data"].data[...] = x
        solver.step(1)
        loop.step(1)
    compare(solver, loop)


def test_the_last_forward_is_in_the_running_sums(folder: Path) -> None:
    """BatchNorm's sums follow every forward in TRAIN, one by hand and that for the last progress line too."""
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" '
    norm += "batch_norm_param { moving_average_fraction: 0.9 } }"
    net = (NET % ("", "")).replace('layer { name: "ip1"', norm + '\nlayer { name: "ip1"')
    (folder / "net.prototxt").write_text(
        net.replace('type: "InnerProduct" bottom: "data"', 'type: "InnerProduct" bottom: "bn"')
    )
    solver, loop = both(
        folder, BASE | {"max_iter": 4, "display": 2, "snapshot_after_train": False, "weight_decay": 0.1}
    )
    solver.net.forward()
    solver.step(1)
    solver.solve()
    mean, var, scale = np.zeros(5), np.zeros(5), 0.0
    for _ in range(1 + 4 + 1):
        x, _ = loop.train.next()
        mean, var, scale = 0.9 * mean + x.mean(0), 0.9 * var + x.var(0, ddof=1), 0.9 * scale + 1
    for blob, wanted in zip(solver.net.params["bn"], (mean, var, scale), strict=True):
        np.testing.assert_allclose(blob.data.ravel(), np.ravel(wanted), rtol=1e-5)


def test_samples_that_layers_make_are_counted(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "data" type: "DummyData" top: "data" top: "y" dummy_data_param {'
        " shape { dim: 8 dim: 3 } shape { dim: 8 dim: 2 } } }\n"
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
        'layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }\n'
    )
    solver = tmp_path / "solver.prototxt"
    solver.write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 2 test_interval: 1')
    code, _, err = cli("train", solver, "--output", tmp_path / "run")
    assert code == 0 and "(16 samples" in err, err


def test_a_net_that_brings_its_data_is_tested(folder: Path, cli: Any) -> None:
    """As `caffe test` does: the mean over batches that run on; a net whose data are a solver's still needs one."""
    solver, loop = both(folder, BASE)
    weights = solver.snapshot(folder / "made.caffemodel")
    read = reader(folder, "test")
    wanted = np.mean([forward_of(loop, read)[:2] for _ in range(4)], axis=0)
    code, out, err = cli("test", folder / "net.prototxt", "test_iter=4", "--weights", weights, "--format", "json")
    assert code == 0, err
    said = json.loads(out)
    assert said["samples"] == 12
    assert [said["loss"], said["accuracy"]] == [pytest.approx(wanted[0], rel=1e-5), pytest.approx(wanted[1])]
    (folder / "net.prototxt").write_text('name: "tiny"\n' + INPUT + (NET % ("", ""))[NET.index('layer { name: "ip1') :])
    code, _, err = cli("test", folder / "net.prototxt", "--weights", weights)
    assert code == 3 and "NS107" in err
