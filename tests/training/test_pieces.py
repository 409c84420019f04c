"""Every solver type and every policy, with all that a solver can switch on: in pieces as at once, bit for bit.

A training of 60 iterations is ended at three random iterations, killed or stopped, and goes on each time, on one thread
or two. In the end its snapshots have the bytes of a training that nothing ended, and its metrics are the same. Members
of the rooms take part without being named here; so do the fields of FEATURES as soon as a solver has them. Most
trainings are dropped between two iterations, which leaves the files that a kill leaves; some are killed for real, and
test_kill kills one at all moments.
"""

from __future__ import annotations

import random
import signal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from netspec.codegen import driver
from netspec.data.spec import FeedsSpec
from netspec.language.document import dump
from netspec.training.job import load_solver
from netspec.training.policies.base import POLICIES, Policy
from netspec.training.run import run
from netspec.training.solvers.base import SOLVERS, UpdateRule
from netspec.training.spec import SolverSpec
from tests.helpers.nursery import nursery
from tests.helpers.repeats import values, write_data
from tests.helpers.runs import rows

LAST = 60
SEVERAL = "validation" in FeedsSpec.model_fields
"""Whether a solver may have several test sets."""
METRIC = f"{'validation' if SEVERAL else 'test'}/accuracy"
FEATURES: dict[str, Any] = {
    "average": {"type": "ema", "decay": 0.9},
    "gradient_noise": {"eta": 1e-4},
    "params": [{"match": "*.bias", "decay_mult": 0}],
    "warmup": {"type": "linear", "length": 9},
    "best": {"metric": METRIC, "mode": "max"},
    "early_stop": {"metric": METRIC, "mode": "max", "patience": 7},
    "clip_gradients": 1.0,
    "average_loss": 3,
    "iter_size": 2,
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
}
"""A value for each field that some policy cannot do without."""
EXACT = {"Newton"}
"""Types that want float64 and few params, and take long."""


def pairs() -> list[Any]:
    """Each solver type with a policy, where it takes one, and each policy with a solver type."""
    types, policies = SOLVERS.members(), POLICIES.members()
    steady = [cls for cls in types if "lr_policy" in unused(cls)]
    others = [cls for cls in types if cls not in steady]
    both = list(islice(zip(cycle(others), cycle(policies), strict=False), max(len(others), len(policies))))
    both += [(cls, policies[0]) for cls in steady]
    words = [(SOLVERS.word(cls), POLICIES.word(one)) for cls, one in both]
    marks = [[pytest.mark.long] if word in EXACT else [] for word, _ in words]
    named = zip(both, words, marks, strict=True)
    return [pytest.param(*pair, id="-".join(word), marks=mark) for pair, word, mark in named]


def unused(cls: type[UpdateRule]) -> tuple[str, ...]:
    """The fields of every solver that a type has no use for."""
    return getattr(cls, "unused", ())


PAIRS = pairs()


def solver(cls: type[UpdateRule], policy: type[Policy], folder: Path) -> dict[str, Any]:
    """A solver of a type with a policy and all features that the type takes."""
    made = values() | {"max_iter": LAST, "snapshot": 7, "snapshot_keep": 20, "test_interval": 5, "base_lr": 0.01}
    for feed in made["data"].values():
        feed["source"]["outputs"] = [str(folder / name) for name in feed["source"]["outputs"]]
    if SEVERAL:
        made["data"] |= {"validation": made["data"]["test"], "tests": {"again": made["data"]["test"]}}
    if "momentum" not in cls.model_fields:
        del made["momentum"]
    features = {name: value for name, value in FEATURES.items() if name in SolverSpec.model_fields}
    made |= features
    needed = {name: GIVEN[name] for name, field in policy.model_fields.items() if field.is_required()}
    if SOLVERS.word(cls) in EXACT:
        made["dtype"] = "float64"
        next(layer for layer in made["net"]["layers"] if layer["name"] == "ip1")["num_output"] = 3
    made |= {"type": SOLVERS.word(cls), "lr_policy": {"type": POLICIES.word(policy), **needed}}
    return {name: value for name, value in made.items() if name not in unused(cls)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data."""
    path = tmp_path_factory.mktemp("pieces")
    write_data(path)
    return path


def drive(made: dict[str, Any], run_folder: Path, threads: int, at: int = LAST, killed: bool = False) -> None:
    """Train or go on, until an iteration: there the training is stopped with a snapshot, or dropped as it is."""

    def reached() -> bool:
        return at < LAST and training.progress.iteration >= at

    def stopping() -> str | None:
        return "the test" if reached() and not killed else None

    begun = (run_folder / "config.yaml").exists()
    with run(load_solver(made), run_folder, resume=begun, threads=threads, stopping=stopping) as training:
        for _ in training:
            if killed and reached():
                return


@pytest.mark.parametrize(("cls", "policy"), PAIRS)
def test_in_pieces_as_at_once(cls: type[UpdateRule], policy: type[Policy], folder: Path, tmp_path: Path) -> None:
    made = solver(cls, policy, folder)
    rng = random.Random(f"{cls.__name__} {policy.__name__}")
    try:
        drive(made, tmp_path / "whole", 1)
        for _ in range(3):
            drive(made, tmp_path / "run", rng.choice((1, 2)), rng.randrange(1, LAST), rng.random() < 0.6)
        drive(made, tmp_path / "run", 2)
    finally:
        driver.limit_threads(None)
    same(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "policy"), PAIRS[::12])
def test_killed_in_pieces(cls: type[UpdateRule], policy: type[Policy], folder: Path, tmp_path: Path) -> None:
    """Real processes, with SIGKILL: in an iteration, in a row of metrics, and while a snapshot is written."""
    made, rng = solver(cls, policy, folder), random.Random(policy.__name__)
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


def same(folder: Path) -> None:
    """The run has the snapshots and the metrics of the whole one."""
    snapshots = sorted((folder / "whole/snapshots").glob("*.safetensors"))
    assert len(snapshots) >= 5
    for path in snapshots:
        assert (folder / "run/snapshots" / path.name).read_bytes() == path.read_bytes(), path.name
    assert rows(folder / "run") == rows(folder / "whole")
