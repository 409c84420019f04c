"""Trainings that benchmarks compare: settings as overrides of a solver file, and how far a training comes."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from netspec.core.errors import DivergedError
from netspec.training.events import Tested
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solve import solve

Settings = dict[str, Any]
"""Fields of a solver file by their dotted names."""
BUNDLED: Settings = {f"data.{phase}.source.subset": True for phase in ("train", "test")}
"""FashionMNIST's bundled images, also where the full set is installed."""


def constant(*rates: float, **fields: Any) -> tuple[Settings, ...]:
    """Settings that differ in their constant rate, with the same other fields."""
    return tuple({"base_lr": rate, "lr_policy": "fixed", **fields} for rate in rates)


def overrides(settings: Settings) -> list[str]:
    """The settings as words of a command line."""
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


class Reached(NamedTuple):
    """How far a training came: iterations and seconds to the goal, None where it did not come there; its best test."""

    iterations: int | None
    seconds: float | None
    best: float
    pace: float
    """Milliseconds an iteration."""


def reach(solver: str, settings: Settings, goal: float, threads: int | None = None, on: bool = False) -> Reached:
    """Train until a test reaches the goal; `on`: to the end. Seconds are those of the training, without its tests."""
    loop = {"test_initialization": False, "snapshot": 0, "snapshot_after_train": False, "display": 0}
    session = Session(load_solver(solver, overrides({**BUNDLED, **loop, **settings})), threads=threads)
    begun, testing, best, seconds = time.perf_counter(), 0.0, 0.0, 0.0
    reached: tuple[int, float] | None = None
    try:
        for event in solve(session):
            if not isinstance(event, Tested):
                continue
            testing += float(event.seconds)
            seconds, best = time.perf_counter() - begun - testing, max(best, float(event.outputs["accuracy"]))
            if best >= goal and reached is None:
                reached = event.iteration, seconds
                if not on:
                    break
    except DivergedError:
        pass
    finally:
        session.close()
    return Reached(*(reached or (None, None)), best, 1000 * seconds / max(session.iteration, 1))
