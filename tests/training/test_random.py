"""Every layer type trains on after a resume as if it had never stopped, on any number of threads, bit for bit.

All types stand in one net, made from their examples: what they read are learned params, so that a mask or a state that
differs changes the weights. Types with random numbers, and types that leave something to the next batch, are found by
what they do, so a new type is tested without being named here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from netspec.layers.base import LAYERS
from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers.checks import SMALL_GRAIN
from tests.helpers.examples import learning

HALF, LAST = 3, 6
BY_FILLERS = {"DummyData"}
"""Types that draw by a Python function, which no call's arguments show."""


def opened(threads: int = 1, **changes: Any) -> Session:
    fields = {"base_lr": 0.001, "lr_policy": "fixed", "momentum": 0.9, "max_iter": LAST}
    return Session(load_solver({"net": learning(), "random_seed": 5, **fields, **changes}), threads)


def stepped(one: Session, steps: int, to: Path) -> Session:
    for _ in range(steps):
        one.step()
    one.close()
    one.snapshot(to)
    return one


@pytest.mark.parametrize("changes", [{}, {"iter_size": 2}], ids=["plain", "iter_size"])
def test_resumed_equals_uninterrupted_on_any_number_of_threads(tmp_path: Path, changes: dict[str, Any]) -> None:
    with mock.patch("netspec.codegen.kernel.GRAIN", SMALL_GRAIN):
        for threads in (1, 2):
            stepped(opened(threads, **changes), LAST, tmp_path / f"{threads}")
        stepped(opened(2, **changes), HALF, tmp_path / "half")
        one = opened(1, **changes)
        one.restore(tmp_path / "half")
        stepped(one, LAST - HALF, tmp_path / "resumed")
    whole = (tmp_path / "1").read_bytes()
    assert (tmp_path / "2").read_bytes() == whole and (tmp_path / "resumed").read_bytes() == whole


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("random") / "half"
    stepped(opened(), HALF, path)
    return path


def other_types(half: Path, tmp_path: Path, change: Callable[[Session], None]) -> set[str]:
    """Types whose params end otherwise when a session is changed between being restored and going on."""
    ends = []
    for changing in (False, True):
        one = opened()
        one.restore(half)
        if changing:
            change(one)
        stepped(one, LAST - HALF, tmp_path / "end")
        ends.append(dict(zip(one.train.weights.names, (a.copy() for a in one.train.weights.data), strict=True)))
    first, second = ends
    assert all(np.isfinite(array).all() for array in first.values())
    return {name.partition("/")[0] for name, array in first.items() if array.tobytes() != second[name].tobytes()}


def test_random_numbers_depend_on_the_iteration_alone(half: Path, tmp_path: Path) -> None:
    """Another iteration draws other numbers, in all types that read the clock, and in no other."""
    one = opened()
    clock, steps = one.train.clock, one.train.table.steps
    readers = [
        s for s in steps if any(isinstance(v, np.ndarray) and np.may_share_memory(v, clock) for v in s.call.values())
    ]
    random = {s.layer.partition("/")[0] for s in readers if "/" in s.layer and s.section != "update"}
    one.close()
    assert {"Dropout", "DropConnect", "Whiteout", "Pooling", "LSTM", "MultiHeadAttention"} <= random
    assert other_types(half, tmp_path, lambda one: one.train.iterations.set(0, [])) == random | BY_FILLERS


def test_what_a_batch_leaves_changes_the_next(half: Path, tmp_path: Path) -> None:
    """Without its states a training goes on otherwise, in all types that have some, and in no other."""
    one = opened()
    states = {key.layer.partition("/")[0] for key in one.train.weights.states}
    one.close()
    assert {"LSTM", "GRU", "RNN"} <= states
    assert other_types(half, tmp_path, lambda one: one.train.weights.forget()) == states


def test_every_type_takes_part() -> None:
    own = {word for word in LAYERS.words() if LAYERS.owner(word) == "netspec" and LAYERS.get(word).example}
    assert {layer["type"] for layer in learning()["layers"]} == {word for word in own if not LAYERS.get(word).fed}
