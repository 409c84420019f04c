"""`netspec export caffe` as a whole: files of nets, runs and snapshots, and what is read back from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.core.outputs import ExistsError
from netspec.formats.caffe_messages import message_class
from netspec.formats.caffemodel import read_layers
from netspec.formats.solverstate import read_state
from netspec.interop.to_caffe.case import Filled
from netspec.interop.to_caffe.export import Wanted, Written, export
from netspec.interop.to_caffe.solver import history
from netspec.net.graph import ParamKey
from netspec.net.load import load_net
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import run

Cli = Callable[..., tuple[int, str, str]]

_NET = """
name: small
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
  - {name: ip, type: InnerProduct, bottom: data, num_output: 6, weight_filler: xavier}
  - {name: norm, type: BatchNorm, affine: true}
  - {name: out, type: InnerProduct, num_output: 3, weight_filler: xavier, param: [{lr_mult: 1}, {lr_mult: 0}]}
  - {name: loss, type: SoftmaxWithLoss, bottom: [out, label]}
"""
_SOLVER = """
net: net.yaml
data:
  train: {source: {type: Arrays, file: data.npz, keys: [x, y]}, batch_size: 4}
  test: {source: {type: Arrays, file: data.npz, keys: [x, y]}, batch_size: 8}
type: Adam
base_lr: 0.01
momentum: 0.9
lr_policy: {type: multistep, gamma: 0.5, stepvalue: [2, 2, 5]}
max_iter: 4
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net, a solver and its data: 20 samples."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    np.savez(tmp_path / "data.npz", x=random.normal(size=(20, 5)).astype(np.float32), y=random.integers(0, 3, 20))
    (tmp_path / "net.yaml").write_text(_NET)
    (tmp_path / "solver.yaml").write_text(_SOLVER)
    return tmp_path


def _message(name: str, path: str) -> Any:
    from google.protobuf.text_format import Parse

    return Parse(Path(path).read_text(), message_class(name)())


def test_a_net_has_two_files(here: Path) -> None:
    done = export(Wanted("net.yaml", Path("out/small.prototxt")))
    assert [str(path) for path in done.paths] == ["out/small.prototxt", "out/small.caffemodel"]
    assert done.notes == ("the weights are those of fillers",)
    net = _message("NetParameter", "out/small.prototxt")
    assert [layer.type for layer in net.layer] == [
        *("Input", "InnerProduct", "BatchNorm", "Scale", "InnerProduct", "SoftmaxWithLoss")
    ]
    binary = message_class("NetParameter").FromString(Path("out/small.caffemodel").read_bytes())
    assert [layer.name for layer in binary.layer] == [layer.name for layer in net.layer]
    assert [len(layer.blobs) for layer in binary.layer] == [0, 2, 3, 2, 2, 0]
    assert list(binary.layer[1].blobs[0].shape.dim) == [6, 5]


def test_files_are_not_overwritten(here: Path) -> None:
    Path("small.caffemodel").write_text("mine")
    with pytest.raises(ExistsError, match=r"small\.caffemodel"):
        export(Wanted("net.yaml", Path("small")))
    assert not Path("small.prototxt").exists()
    export(Wanted("net.yaml", Path("small"), force=True))
    assert len(read_layers(Path("small.caffemodel"))) == 4


def _trained() -> Written:
    list(run(load_solver("solver.yaml"), Path("r")))
    return export(Wanted("r", Path("small")))


def test_a_run_has_its_solver_and_its_state(here: Path) -> None:
    done = _trained()
    assert [path.suffix for path in done.paths] == [".prototxt", ".prototxt", ".caffemodel", ".solverstate"]
    solver = _message("SolverParameter", "small_solver.prototxt")
    assert (solver.net, solver.type, solver.lr_policy, list(solver.stepvalue)) == (
        *("small.prototxt", "Adam", "multistep", [2, 2, 5]),
    )
    assert list(solver.test_iter) == [3] and solver.test_interval == 4  # 20 samples in batches of 8
    assert "the last of 3 test batches begins anew with the first samples" in done.notes
    assert solver.momentum == np.float32(0.9) and not solver.HasField("weight_decay")
    held = snapshot.read(Path("r/snapshots/iter_000004.safetensors"))
    found = {layer.name: [blob.data for blob in layer.blobs] for layer in read_layers(Path("small.caffemodel"))}
    for name, (layer, at) in {"norm.variance": ("norm", 1), "norm.bias": ("norm_scale", 1)}.items():
        np.testing.assert_array_equal(found[layer][at], held.weights[ParamKey(*name.split("."))])
    state = read_state(Path("small.solverstate"))
    assert (state.iter, state.learned_net, state.current_step) == (4, "small.caffemodel", 2)
    owners = ["ip.weight", "ip.bias", None, None, None, "norm.weight", "norm.bias", "out.weight", None]
    assert len(state.history) == 2 * len(owners)
    for slot, blobs in (("mean", state.history[:9]), ("mean_square", state.history[9:])):
        for owner, blob in zip(owners, blobs, strict=True):
            if owner is None:  # not learned: running sums, and a bias of rate 0
                assert not blob.any()
            else:
                np.testing.assert_array_equal(blob, held.history[slot, ParamKey(*owner.split("."))])


def test_a_history_counts_blobs_that_only_caffe_has(here: Path) -> None:
    _trained()
    held = snapshot.read(Path("r/snapshots/iter_000004.safetensors"))
    weight = ParamKey("ip", "weight")
    arrays = history(held, load_net("net.yaml"), [Filled((2, 3), 1.0), weight, weight])
    assert arrays is not None and [array.shape for array in arrays] == [(2, 3), (6, 5)] * 2
    assert not arrays[0].any() and arrays[1].any()


def test_a_snapshot_is_enough(here: Path) -> None:
    _trained()
    done = export(Wanted("r/snapshots/iter_000004.safetensors", Path("again")))
    assert [path.name for path in done.paths] == ["again.prototxt", "again.caffemodel", "again.solverstate"]
    assert Path("again.caffemodel").read_bytes() == Path("small.caffemodel").read_bytes()
    deployed = export(Wanted("r", Path("deployed"), deploy=True))
    assert [path.name for path in deployed.paths] == ["deployed.prototxt", "deployed.caffemodel"]
    assert _message("NetParameter", "deployed.prototxt").layer[-1].type == "Softmax"


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("type=AdamW", "Caffe has no solver type 'AdamW'"),
        ("lr_policy={type: cosine}", "Caffe has no policy 'cosine'"),
        ("warmup={type: linear, length: 2, from: 0.1}", "Caffe has no warm-up of the rate"),
        ("clip_gradients={type: value, limit: 1}", "Caffe does not limit gradients by `value`"),
        ("regularization_type=MaxNorm", "Caffe has no regularizer 'MaxNorm'"),
        ("gradient_noise={eta: 0.1}", "Caffe has no noise on gradients"),
    ],
)
def test_what_caffe_does_not_train_is_refused(override: str, error: str, here: Path) -> None:
    with pytest.raises(NetspecError) as raised:
        export(Wanted("solver.yaml", Path("small"), [override]))
    assert error in str(raised.value) and "NS741" in str(raised.value)
    assert not Path("small.prototxt").exists()


def test_lengths_in_epochs_become_iterations(here: Path) -> None:
    export(Wanted("solver.yaml", Path("small"), ["lr_policy.stepvalue=[1 epoch, 2 epochs]", "snapshot=3 epochs"]))
    solver = _message("SolverParameter", "small_solver.prototxt")
    assert list(solver.stepvalue) == [5, 10] and solver.snapshot == 15


def test_databases_are_named_that_are_still_to_be_made(here: Path) -> None:
    done = export(Wanted("solver.yaml", Path("small"), lmdb=True))
    first, second, *_ = _message("NetParameter", "small.prototxt").layer
    assert (first.data_param.source, first.data_param.batch_size) == ("small_train_lmdb", 4)
    assert (second.data_param.source, second.data_param.batch_size) == ("small_test_lmdb", 8)
    assert first.include[0].phase != second.include[0].phase
    assert "to make its data: netspec data convert solver.yaml --on test --to lmdb -o small_test_lmdb" in done.notes


_STILL = """
name: still
layers:
  - name: ones
    type: DummyData
    top: [x, wanted]
    shape: [[3, 4], [3, 2]]
    data_filler: [{type: constant, value: 1}, {type: constant, value: 0.5}]
  - {name: a, type: InnerProduct, bottom: x, num_output: 5, weight_filler: {type: gaussian, std: 0.7}}
  - {name: b, type: InnerProduct, num_output: 2, weight_filler: {type: gaussian, std: 0.7}}
  - {name: loss, type: EuclideanLoss, bottom: [b, wanted]}
"""


@pytest.mark.parametrize("type", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_a_training_goes_on_from_its_solverstate(type: str, here: Path) -> None:
    momentum = {"momentum": 0.9} if type not in ("AdaGrad", "RMSProp") else {}
    Path("still.yaml").write_text(_STILL)
    policy = {"type": "multistep", "gamma": 0.5, "stepvalue": [2, 6]}
    values = {"net": "still.yaml", "type": type, "base_lr": 0.02, "lr_policy": policy, "max_iter": 9, **momentum}
    own = netspec.Solver(values)
    own.step(5)
    own.snapshot("at5.safetensors")
    export(Wanted("at5.safetensors", Path("still")))
    Path("s.yaml").write_text(json.dumps(values))
    export(Wanted("s.yaml", Path("still"), force=True, weights=Path("at5.safetensors")))
    theirs, shown = netspec.Solver("still_solver.prototxt", keep=False), netspec.Solver("still_solver.prototxt")
    for solver in (theirs, shown):
        solver.restore("still.solverstate")
        solver.step(4)
    own.step(4)
    for layer in ("a", "b"):
        for one, other, third in zip(*(of.net.params[layer] for of in (own, theirs, shown)), strict=True):
            np.testing.assert_array_equal(other.data, one.data)
            np.testing.assert_allclose(third.data, one.data, rtol=3e-7)  # the update is rounded before it is subtracted


def test_the_command_says_what_it_wrote(here: Path, cli: Cli) -> None:
    code, out, err = cli("export", "caffe", "net.yaml", "-o", "small", "--deploy")
    assert (code, out) == (0, "small.prototxt\nsmall.caffemodel\n")
    assert err == "note: the weights are those of fillers\n"
    code, out, err = cli("export", "npz", "net.yaml", "-o", "small.npz", "--format", "json")
    assert json.loads(out) == {"files": ["small.npz"], "notes": ["the weights are those of fillers"]}
    with np.load("small.npz") as held:
        assert {name: held[name].shape for name in held}["out.weight"] == (3, 6)
    assert cli("export", "npz", "net.yaml", "-o", "small.npz")[0] == 9


def test_weights_that_cannot_be_written_leave_no_net_behind(here: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"ip.weight": np.full((6, 5), np.nan, np.float32)}, "bad.safetensors")
    with pytest.raises(NetspecError, match="not finite"):
        export(Wanted("net.yaml", Path("small"), weights=Path("bad.safetensors")))
    assert not Path("small.prototxt").exists()
