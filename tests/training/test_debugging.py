"""`debug_info`: sizes of blobs, params, gradients and updates, against NumPy; and that it changes no weight."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import Solver
from netspec.core.counts import Pace
from netspec.training.blame import NotFiniteLossError
from netspec.training.events import DebugInfo, Display, Event, ParamInfo, TopInfo, from_row, row
from netspec.training.job import load_solver
from netspec.training.run import run
from netspec.training.runs import read
from netspec.training.session import Session
from netspec.training.solve import solve

Values = Callable[..., dict[str, Any]]

NET: dict[str, Any] = {
    "name": "three",
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 1, 3, 5], [4]]},
        {"name": "conv", "type": "Convolution", "num_output": 6, "kernel_size": 2, "weight_filler": "xavier"},
        {"name": "relu", "type": "ReLU", "bottom": "conv", "top": "conv"},
        {"name": "drop", "type": "Dropout", "dropout_ratio": 0.3, "bottom": "conv", "top": "conv"},
        {"name": "norm", "type": "BatchNorm"},
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ],
}


@pytest.fixture
def values(tmp_path: Path) -> Values:
    """A solver of a net with all that may go wrong in a repetition: Dropout, stored params, a layer in place."""
    numbers = np.random.default_rng(3)
    np.save(tmp_path / "x.npy", numbers.normal(size=(22, 1, 3, 5)).astype(np.float32))
    np.save(tmp_path / "y.npy", numbers.integers(0, 3, 22))

    def make(**changes: Any) -> dict[str, Any]:
        source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
        own = {"net": copy.deepcopy(NET), "data": {"train": {"source": source, "batch_size": 4}}, "base_lr": 0.1}
        own |= {"lr_policy": "fixed", "max_iter": 7, "display": 3, "iter_size": 2, "debug_info": True}
        return {key: value for key, value in (own | changes).items() if value is not None}

    return make


def infos(events: list[Event]) -> list[DebugInfo]:
    return [event for event in events if isinstance(event, DebugInfo)]


LBFGS = {"type": "LBFGS", "base_lr": None, "lr_policy": None}


@pytest.mark.parametrize("rule", [{"momentum": 0.9}, {"type": "Adam"}, LBFGS], ids=["SGD", "Adam", "LBFGS"])
def test_it_changes_no_bit(rule: dict[str, Any], values: Values, tmp_path: Path) -> None:
    found = []
    for name, debug in (("with", True), ("without", False)):
        job = load_solver(values(debug_info=debug, snapshot_diff=True, snapshot=2, **rule))
        with run(job, tmp_path / name) as training:
            events = [event for event in training if isinstance(event, Event)]
        assert [event.iteration for event in infos(events)] == ([0, 3, 6] if debug else [])
        found.append([path.read_bytes() for path in sorted((tmp_path / name / "snapshots").iterdir())])
    assert found[0] == found[1] and len(found[0]) == 3


def test_the_gradient_is_that_of_the_progress_line(values: Values) -> None:
    """So the repeated batches are the training's: with another mask of Dropout they would differ."""
    with Solver(values(dtype="float64", clip_gradients=0.01, average_loss=1), keep=False) as solver:
        events = list(solver.events())
    lines = {event.iteration: event for event in events if isinstance(event, Display)}
    for event in infos(events):
        line = lines[event.iteration]
        assert event.diff_l2 == pytest.approx(line.gradient, rel=1e-9)
        loss = next(top for top in event.tops if top.top == "loss")
        assert loss.data == pytest.approx(line.loss, rel=1e-9)
        assert np.hypot.reduce([param.gradient or 0.0 for param in event.params]) == pytest.approx(event.diff_l2)
        assert [top.layer for top in event.tops] == ["data", *(layer["name"] for layer in NET["layers"])]
        assert event.epoch == pytest.approx(event.iteration * 8 / 22)


MLP = {
    "name": "mlp",
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 1, 3, 5], [4]]},
        {"name": "ip1", "type": "InnerProduct", "num_output": 6},
        {"name": "relu", "type": "ReLU", "bottom": "ip1", "top": "ip1"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 3, "bias_term": False},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    ],
}


def test_every_figure_against_numpy(values: Values, tmp_path: Path) -> None:
    """Two batches of an MLP, one of whose units is dead, in float64."""
    spec = values(net=MLP, dtype="float64", max_iter=1, display=1, momentum=0.0)
    session = Session(load_solver(spec))
    numbers = np.random.default_rng(5)
    weights = session.train.weights
    for array in weights.data:
        array[...] = numbers.normal(size=array.shape)
    w1, b1, w2 = (weights.data[weights.index(name)] for name in ("ip1.weight", "ip1.bias", "ip2.weight"))
    b1[2] = -100.0
    before = [array.copy() for array in (w1, b1, w2)]
    inputs: list[tuple[Any, Any]] = []
    for number in range(2):
        session._batch(number)
        inputs.append((session.train.inputs[0].copy().reshape(4, 15), session.train.inputs[1].copy().astype(int)))
    (event,) = infos(list(solve(session)))  # type: ignore[arg-type]

    sizes: dict[str, list[float]] = {}
    gradients = [np.zeros_like(array) for array in before]
    fired = np.zeros(6, bool)
    v1, c1, v2 = before
    for x, y in inputs:
        z = x @ v1.reshape(6, 15).T + c1
        h = np.maximum(z, 0)
        s = h @ v2.T
        p = np.exp(s) / np.exp(s).sum(1, keepdims=True)
        ds = (p - np.eye(3)[y]) / 4
        dh = ds @ v2
        dz = dh * (z > 0)
        fired |= (z > 0).any(0)
        steps = (dz.T @ x, dz.sum(0), ds.T @ h)
        for total, one in zip(gradients, steps, strict=True):
            total += one.reshape(total.shape)
        for name, array in (("z", z), ("h", h), ("s", s), ("ds", ds), ("dh", dh), ("dz", dz)):
            sizes.setdefault(name, []).append(float(np.abs(array).mean()))
    size = {name: np.mean(each) for name, each in sizes.items()}
    tops = {(top.layer, top.top): top for top in event.tops}
    assert [top.layer for top in event.tops] == ["data", "data", "ip1", "relu", "ip2", "loss"]
    pairs = {("ip1", "ip1"): ("z", "dz"), ("relu", "ip1"): ("h", "dh"), ("ip2", "ip2"): ("s", "ds")}
    for key, (forward, backward) in pairs.items():
        assert (tops[key].data, tops[key].diff) == pytest.approx((size[forward], size[backward]), rel=1e-12)
    assert tops["data", "data"].diff is None and tops["data", "data"].data > 0
    assert not fired[2] and tops["relu", "ip1"].dead == pytest.approx(1 - fired.mean())
    assert [top.dead is None for top in event.tops] == [True, True, True, False, True, True]
    for info, old, new, diff in zip(event.params, before, (w1, b1, w2), gradients, strict=True):
        ratio = np.linalg.norm(new - old) / np.linalg.norm(old)
        expected = (np.abs(old).mean(), np.abs(diff).mean(), np.linalg.norm(diff), ratio)
        assert (info.data, info.diff, info.gradient, info.update) == pytest.approx(expected, rel=1e-11)
        assert info.update == pytest.approx(0.1 / 2 * np.linalg.norm(diff) / np.linalg.norm(old), rel=1e-9)
    assert [f"{info.layer}.{info.param}" for info in event.params] == ["ip1.weight", "ip1.bias", "ip2.weight"]
    whole = (np.concatenate([array.reshape(-1) for array in each]) for each in (before, gradients))
    norms = [np.linalg.norm(each, order) for each in whole for order in (1, 2)]
    assert (event.data_l1, event.data_l2, event.diff_l1, event.diff_l2) == pytest.approx(norms)


def test_params_that_are_not_learned_and_those_that_are_0(values: Values) -> None:
    with Solver(values(max_iter=1, display=1), keep=False) as solver:
        (event,) = infos(list(solver.events()))
    params = {(info.layer, info.param): info for info in event.params}
    stored = [info for info in event.params if info.layer == "norm" and info.diff is None]
    assert stored and all(info.update is None and info.gradient is None for info in stored)
    assert params["ip", "bias"].data == 0 and params["ip", "bias"].update is None and params["ip", "bias"].diff


def test_an_interval_of_its_own(values: Values) -> None:
    pace = Pace(22, 8)
    spec = load_solver(values(debug_info="1 epoch", display=None)).spec
    assert [n for n in range(9) if spec.debugs(n, pace)] == [0, 3, 6]
    spec = load_solver(values(debug_info=4, display=3)).spec
    assert [n for n in range(9) if spec.debugs(n, pace)] == [0, 4, 8]
    for off in (False, 0):
        job = load_solver(values(debug_info=off))
        assert Session(job).debugging is None and not job.spec.debugs(0, pace)


def test_an_iteration_that_was_stopped_is_begun_anew(values: Values) -> None:
    whole = infos(list(solve(Session(load_solver(values())))))  # type: ignore[arg-type]
    session = Session(load_solver(values()))
    debugging = session.debugging
    assert debugging is not None

    def between() -> None:
        if debugging._batches:
            raise KeyboardInterrupt

    session.between = between
    debugging.begin(0)
    with pytest.raises(KeyboardInterrupt):
        session.step()
    assert session.iteration == 0 and debugging._batches == 1
    assert infos(list(solve(session))) == whole  # type: ignore[arg-type]


def test_a_training_that_diverges_says_so_as_ever(values: Values) -> None:
    with Solver(values(base_lr=1e30, display=1), keep=False) as solver, pytest.raises(NotFiniteLossError):
        list(solver.events())


def test_rows_come_back_and_a_resume_makes_them_again(values: Values, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with run(load_solver(values(max_iter=4, snapshot=2)), folder) as training:
        first = infos([event for event in training if isinstance(event, Event)])
    assert infos(read(folder).events) == first and [event.iteration for event in first] == [0, 3]
    assert from_row(row(first[0]), folder) == first[0]
    with run(load_solver(values(max_iter=4)), folder, resume=folder / "snapshots" / "iter_000002.safetensors") as again:
        list(again)
    after = infos(read(folder).events)
    assert [replace(event, elapsed=0.0) for event in after] == [replace(event, elapsed=0.0) for event in first]
    assert f"{first[0]}" in (folder / "log.txt").read_text()


def test_what_stands_out_is_said_in_a_line() -> None:
    tops = (TopInfo("relu1", "ReLU", "a", 1.0, 0.5, 0.25), TopInfo("relu2", "ReLU", "b", 1.0, None, 0.5))
    params = (ParamInfo("ip", "weight", 1.0, 0.5, 2.0, 0.001), ParamInfo("ip", "bias", 0.0, 0.5, 2.0))
    event = DebugInfo(6, tops, params, 4.0, 2.0, 3.0, 2.5, epoch=1.5)
    assert str(event) == (
        "debug_info at iter 6 epoch 1.50: all params L2 2, gradient L2 2.5, "
        "largest update/weight 1.00e-03 (ip.weight), most dead 50.0% (relu2)"
    )
