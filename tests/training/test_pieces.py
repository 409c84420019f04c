"""Every solver type and every policy, with all that a solver can switch on: in pieces as at once, bit for bit.

A training of 60 iterations is ended at three random iterations, killed or stopped, and goes on each time, on one thread
or two. In the end its snapshots have the bytes of a training that nothing ended, and its metrics are the same. Members
of the rooms take part without being named here, averages and regularizers too. Most trainings are dropped between two
iterations, which leaves the files that a kill leaves; some are killed for real, and test_kill kills one at all moments.
"""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from netspec.codegen import driver
from netspec.core.rooms import Room
from netspec.language.document import dump
from netspec.training.averages.base import AVERAGES
from netspec.training.policies.base import POLICIES
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS
from netspec.training.solvers.base_driving import DrivingRule
from tests.helpers.nursery import nursery
from tests.helpers.pieces import drive, same
from tests.helpers.repeats import values, write_data

METRIC = "validation/accuracy"
FEATURES: dict[str, Any] = {
    "gradient_noise": {"eta": 1e-4},
    "params": [{"match": "*.bias", "decay_mult": 0}],
    "warmup": {"type": "linear", "length": 9},
    "best": {"metric": METRIC, "mode": "max"},
    "early_stop": {"metric": METRIC, "mode": "max", "patience": 7},
    "clip_gradients": 1.0,
    "average_loss": 3,
    "iter_size": 2,
    "snapshot_diff": True,
}
GIVEN: dict[str, Any] = {
    "gamma": 0.97,
    "power": 0.75,
    "stepsize": 17,
    "stepvalue": [20, 41],
    "timescale": 10,
    "max_lr": 0.03,
    "points": [{"at": 0, "rate": 0.02}, {"at": 33, "rate": 0.01}],
    "metric": METRIC,
    "mode": "max",
    "start": 8,
    "every": 3,
}
"""A value for each field that some policy or average cannot do without."""
EXACT = {"Newton"}
"""Types that want float64 and few params, and take long."""


@dataclass(frozen=True)
class Mix:
    """A member of each room, by its word; whether tests look at averaged weights; and the iterations to train."""

    rule: str
    policy: str
    average: str
    regularizer: str
    averaged: bool
    last: int = 60

    def __str__(self) -> str:
        return "-".join((self.rule, self.policy, self.average, self.regularizer, str(self.last)))


def mixed(number: int, rule: str, policy: str, last: int = 60) -> Mix:
    """A solver type and a policy with an average and a regularizer, which take turns by number."""
    parts = [cls for cls in REGULARIZERS.members() if cls().has_loss or not issubclass(SOLVERS.get(rule), DrivingRule)]
    averages = AVERAGES.words()
    own = averages[number % len(averages)], REGULARIZERS.word(parts[number % len(parts)])
    return Mix(rule, policy, *own, bool(number // 2 % 2), last)


def every_member() -> list[Mix]:
    """A mix for every solver type, and for every policy: a type that takes one."""
    words, policies = SOLVERS.words(), POLICIES.words()
    takes = [word for word in words if "lr_policy" not in SOLVERS.get(word).unused]
    found = [mixed(i, word, policies[i % len(policies)], 12 if word in EXACT else 60) for i, word in enumerate(words)]
    left = [policy for policy in policies if policy not in {mix.policy for mix in found if mix.rule in takes}]
    return found + [mixed(i, takes[-1 - i], policy) for i, policy in enumerate(left)]


def all_mixes() -> list[Mix]:
    """Every solver type with every policy that it takes."""
    pairs = product(SOLVERS.words(), POLICIES.words())
    taken = [pair for pair in pairs if pair[1] == "fixed" or "lr_policy" not in SOLVERS.get(pair[0]).unused]
    return [mixed(number, *pair) for number, pair in enumerate(taken)]


MIXES = every_member()


def member(room: Room[Any], word: str) -> dict[str, Any]:
    """A member of a room as a solver names it, with the fields that it cannot do without."""
    fields: dict[str, Any] = room.get(word).model_fields
    return {"type": word, **{name: GIVEN[name] for name, field in fields.items() if field.is_required()}}


def solver(mix: Mix, folder: Path) -> dict[str, Any]:
    """A solver of a mix with all features that its type takes."""
    cls = SOLVERS.get(mix.rule)
    made = values() | {"max_iter": mix.last, "snapshot": mix.last // 8, "snapshot_keep": 20, "test_interval": 5}
    for feed in made["data"].values():
        feed["source"]["outputs"] = [str(folder / name) for name in feed["source"]["outputs"]]
    test = made["data"]["test"]
    made["data"] |= {"validation": test, "tests": {"again": test | {"test_interval": "2 epochs"}}}
    if "momentum" not in cls.model_fields:
        del made["momentum"]
    made |= FEATURES | {"type": mix.rule, "base_lr": 0.01, "test_average": mix.averaged}
    made |= {"lr_policy": member(POLICIES, mix.policy), "average": member(AVERAGES, mix.average)}
    made |= {"regularization_type": member(REGULARIZERS, mix.regularizer)}
    if mix.rule in EXACT:
        made["dtype"] = "float64"
        next(layer for layer in made["net"]["layers"] if layer["name"] == "ip1")["num_output"] = 3
    return {name: value for name, value in made.items() if name not in cls.unused}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data."""
    path = tmp_path_factory.mktemp("pieces")
    write_data(path)
    return path


def in_pieces_as_at_once(mix: Mix, folder: Path, place: Path) -> None:
    """Train at once and in pieces, and compare."""
    made, rng = solver(mix, folder), random.Random(str(mix))
    try:
        drive(made, place / "whole", 1)
        for at in sorted(rng.sample(range(1, mix.last), 3)):
            drive(made, place / "run", rng.choice((1, 2)), at, rng.random() < 0.6)
        drive(made, place / "run", 2)
    finally:
        driver.limit_threads(None)
    same(place)


def test_every_member_of_the_rooms_takes_part() -> None:
    for room, named in ((SOLVERS, "rule"), (POLICIES, "policy"), (AVERAGES, "average"), (REGULARIZERS, "regularizer")):
        assert {getattr(mix, named) for mix in MIXES} == set(room.words())
    unused = {word for word in SOLVERS.words() if "lr_policy" in SOLVERS.get(word).unused}
    assert {mix.policy for mix in MIXES if mix.rule not in unused} == set(POLICIES.words())


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_in_pieces_as_at_once(mix: Mix, folder: Path, tmp_path: Path) -> None:
    in_pieces_as_at_once(mix, folder, tmp_path)


def test_a_loop_in_caffes_way_in_pieces_as_at_once(folder: Path, tmp_path: Path) -> None:
    """Its tests go on in their data where the last has ended, also behind a stop between a test and its iteration."""
    made = solver(Mix("SGD", "fixed", "ema", "L2", False, 14), folder)
    for test in ("validation", "tests"):
        del made["data"][test]
    made |= {"loop": "caffe", "test_iter": 2, "test_interval": 3, "snapshot": 2}
    made = {name: value for name, value in made.items() if name not in ("average", "best", "early_stop")}
    try:
        drive(made, tmp_path / "whole", 1)
        for at, threads, killed in ((3, 2, True), (6, 1, False), (11, 2, False)):
            drive(made, tmp_path / "run", threads, at, killed)
        drive(made, tmp_path / "run", 2)
    finally:
        driver.limit_threads(None)
    same(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("mix", [mix for mix in all_mixes() if mix not in MIXES], ids=str)
def test_every_type_with_every_policy(mix: Mix, folder: Path, tmp_path: Path) -> None:
    in_pieces_as_at_once(mix, folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES[::12], ids=str)
def test_killed_in_pieces(mix: Mix, folder: Path, tmp_path: Path) -> None:
    """Real processes, with SIGKILL: in an iteration, in a row of metrics, and while a snapshot is written."""
    made, rng = solver(mix, folder), random.Random(mix.policy)
    file, at = tmp_path / "solver.yaml", tmp_path / "run"
    file.write_text(dump(made), encoding="utf-8")
    with nursery(tmp_path / "stderr.txt") as trainings:
        assert trainings.train([str(file), "-q", "-o", str(tmp_path / "whole")], "none", 0) == 0
        for kind, most in (("in step", 25), ("half a row", 20), ("half written", 2), ("none", 1)):
            more = ["--resume"] if (at / "config.yaml").exists() else []
            words = [str(file), "-q", "-o", str(at), "-j", str(rng.choice((1, 2))), *more]
            status = trainings.train(words, kind, rng.randint(1, most))
            assert status == (0 if kind == "none" else signal.SIGKILL)
    same(tmp_path)
