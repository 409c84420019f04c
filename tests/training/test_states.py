"""States that batches leave to the next: in a training, its snapshots, its tests, and in a Net of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.training import snapshot
from netspec.training.blame import NotFiniteLossError
from netspec.training.job import load_solver
from netspec.training.loading import OtherNetError
from netspec.training.session import Session
from tests.helpers.sessions import Values, session, trained

TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 3


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "text.txt"


def solver(text: Path, batch: int = 3, **changes: Any) -> Values:
    source = {"type": "Text", "steps": 5, "file": str(text), "held_out": 0.2}
    layers: list[Values] = [
        {"name": "data", "type": "Input", "top": ["x", "next", "cont"], "shape": [5, batch], "batch_axis": 1},
        {"name": "embed", "type": "Embed", "bottom": "x", "input_dim": 30, "num_output": 4, "weight_filler": "xavier"},
        {
            "name": "lstm",
            "type": "LSTM",
            "bottom": ["embed", "cont"],
            "num_output": 6,
            "num_layers": 2,
            "dropout_ratio": 0.3,
            "weight_filler": {"type": "uniform", "min": -0.5, "max": 0.5},
        },
        {"name": "gru", "type": "GRU", "bottom": ["lstm", "cont"], "num_output": 5, "weight_filler": "xavier"},
        {"name": "ip", "type": "InnerProduct", "axis": 2, "num_output": 30, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "next"], "axis": 2},
    ]
    data = {
        "train": {"source": source | {"split": "train"}, "batch_size": batch},
        "test": {"source": source | {"split": "test"}, "batch_size": 2},
    }
    common = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 20, "momentum": 0.9, "test_interval": 100}
    return {"net": {"name": "states", "layers": layers}, "data": data, **common, **changes}


@pytest.mark.parametrize("changes", [{}, {"iter_size": 2}], ids=["plain", "iter_size"])
def test_resumed_equals_uninterrupted(text: Path, tmp_path: Path, changes: Values) -> None:
    values = solver(text, **changes)
    whole = trained(values, 6)
    whole.snapshot(tmp_path / "whole.safetensors")
    trained(values, 3).snapshot(tmp_path / "half.safetensors")
    one = session(values)
    one.restore(tmp_path / "half.safetensors")
    for _ in range(3):
        one.step()
    one.close()
    one.snapshot(tmp_path / "resumed.safetensors")
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    states = snapshot.read(tmp_path / "whole.safetensors").states
    assert {str(key): array.shape for key, array in states.items()} == {
        "lstm.hidden": (2, 3, 6),
        "lstm.cell": (2, 3, 6),
        "gru.hidden": (1, 3, 5),
    }
    assert all(np.abs(array).min() > 0 for array in states.values())


def test_threads_change_nothing(text: Path, tmp_path: Path) -> None:
    for threads in (1, 2):
        one = Session(load_solver(solver(text)), threads)
        for _ in range(4):
            one.step()
        one.close()
        one.snapshot(tmp_path / f"{threads}.safetensors")
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()


def test_a_test_begins_anew_and_leaves_the_training_as_it_is(text: Path) -> None:
    one = trained(solver(text), 2)
    before = {key: array.copy() for key, array in one.train.weights.states.items()}
    first = one.testers["test"].run()
    assert one.testers["test"].run() == first
    for key, array in one.train.weights.states.items():
        np.testing.assert_array_equal(array, before[key])


def test_an_iteration_that_diverges_leaves_the_states_as_they_are(text: Path) -> None:
    one = trained(solver(text), 2)
    before = {key: array.copy() for key, array in one.train.weights.states.items()}
    one.train.weights.data[0][:] = np.inf
    with pytest.raises(NotFiniteLossError):
        one.step()
    one.close()
    for key, array in one.train.weights.states.items():
        np.testing.assert_array_equal(array, before[key])


def test_another_batch_size_cannot_go_on(text: Path, tmp_path: Path) -> None:
    trained(solver(text), 2).snapshot(tmp_path / "three.safetensors")
    one = session(solver(text, batch=4))
    with pytest.raises(OtherNetError, match="a batch of another size left them"):
        one.restore(tmp_path / "three.safetensors")
    assert one.load(tmp_path / "three.safetensors").left == ()  # the weights alone do fit


def test_a_net_goes_on_and_its_copy_too() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["x", "cont"], "shape": [[2, 3, 4], [2, 3]], "batch_axis": 1},
        {"name": "rnn", "type": "RNN", "bottom": ["x", "cont"], "num_output": 5, "weight_filler": "xavier"},
    ]
    net = netspec.Net({"name": "net", "layers": layers})
    x = np.random.default_rng(1).standard_normal((2, 3, 4)).astype(np.float32)
    first = net.forward(x=x, cont=np.ones((2, 3)))["rnn"]
    copy = net.__copy__()
    second = net.forward()["rnn"]
    assert np.abs(first - second).max() > 1e-4
    np.testing.assert_array_equal(copy.forward()["rnn"], second)
    again = net.forward(cont=np.array([[0.0] * 3, [1] * 3]))["rnn"]
    np.testing.assert_array_equal(again, first)
