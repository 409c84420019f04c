"""How many iterations does each solver type need on two hard functions? Rosenbrock's valley, and a narrow trough.

python -m benchmarks.valley [TYPE ...] [--tune]

Both are nets of the zoo, `rosenbrock` and `quadratic`, of two params each and without data: an iteration's gradient is
exact. A type runs as the zoo's solver says, with its SETTINGS, until the loss is 1e-6. `--tune` tries every rate and
momentum of a grid instead, and shows the best: so SETTINGS came about.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console

from benchmarks import tables
from benchmarks.trainings import Settings, constant, overrides
from netspec.core.errors import DivergedError
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solvers.base import SOLVERS

PROBLEMS = ("rosenbrock", "quadratic")
TARGET, MOST = 1e-6, 10_000


def _falling(last: int, *rates: float, **fields: Any) -> tuple[Settings, ...]:
    """Settings for the problems: a rate that falls to 0 at an iteration."""
    return tuple(
        {**one, "lr_policy": {"type": "poly", "power": 1}, "max_iter": last} for one in constant(*rates, **fields)
    )


SETTINGS: dict[str, tuple[Settings, ...]] = {
    "AdaDelta": _falling(10_000, 5.0, 5.0, momentum=0.9),
    "AdaGrad": constant(0.5, 0.5),
    "AdaMax": constant(1.0, 0.5),
    "Adafactor": _falling(10_000, 2e-3, 2e-3, relative_step=False, scale_parameter=False),
    "Adam": constant(0.5, 0.5, momentum=0.9),
    "AdamW": constant(0.5, 0.5),
    "GradientDescent": constant(0.02, 5.0),
    "LAMB": constant(0.5, 0.5),
    "LARS": constant(2e-3, 2e-3),
    "LBFGS": ({}, {}),
    "Lion": _falling(10_000, 3e-3, 3e-3),
    "NAdam": constant(0.01, 0.1),
    "Nesterov": (*constant(5e-4, momentum=0.99), *constant(1e-3, momentum=0.95)),
    "Newton": ({}, {}),
    "QHAdam": constant(0.01, 0.2, momentum=0.9),
    "RAdam": constant(5e-3, 1e-3),
    "RMSProp": _falling(10_000, 0.02, 5.0),
    "Rprop": constant(0.02, 0.1),
    "SGD": (*constant(2e-3, momentum=0.95), *constant(2e-3, momentum=0.9)),
}
"""Of each solver type, for each problem, the fields that differ from the zoo's solver."""
LEFT_OUT = {"KFAC": "no layer of these nets has a matrix of weights, so it would go by SGD"}
"""Solver types without a row, and why."""


class Descent(NamedTuple):
    """A run: iterations and seconds until the loss was at the target, None where it never was; and the last loss."""

    iterations: int | None
    seconds: float
    loss: float


def descend(problem: str, word: str, settings: Settings, most: int = MOST) -> Descent:
    """Train until the loss at an iteration's start is at the target."""
    said = {"type": word, "max_iter": MOST, **settings}
    session, loss = Session(load_solver(problem, overrides(said)), threads=1), float("nan")
    begun = time.perf_counter()
    try:
        for done in range(min(most, int(said["max_iter"]))):
            loss = session.step()
            if loss <= TARGET:
                return Descent(done, time.perf_counter() - begun, loss)
    except DivergedError:
        loss = float("inf")
    finally:
        session.close()
    return Descent(None, time.perf_counter() - begun, loss)


RATES = [mantissa * 10.0**exponent for exponent in range(0, -6, -1) for mantissa in (5, 2, 1)]
MOMENTA = (0.0, 0.9, 0.95, 0.99)
SHORT = (500, 2_000, 10_000)
"""Iterations of trainings whose rate falls to 0, for types whose steps do not grow small by themselves."""


def grid(word: str, falling: bool) -> Iterator[Settings]:
    """The settings that `--tune` tries: constant rates, or falling ones."""
    cls = SOLVERS.get(word)
    if "base_lr" in cls.unused:
        yield {}
        return
    momenta = MOMENTA if word in {"SGD", "Nesterov"} else (0.9,) if "momentum" in cls.model_fields else (None,)
    falls = [{"lr_policy": {"type": "poly", "power": 1}, "max_iter": last} for last in SHORT]
    for fields, rate, momentum in itertools.product(falls if falling else [{"lr_policy": "fixed"}], RATES, momenta):
        yield {"base_lr": rate, **fields, **({} if momentum is None else {"momentum": momentum})}


def tune(problem: str, word: str) -> tuple[Settings, Descent]:
    """The settings with the fewest iterations; falling rates only where no constant one leads to the target."""
    best: tuple[Settings, Descent] = {}, Descent(None, 0.0, float("inf"))
    for settings in itertools.chain(grid(word, falling=False), grid(word, falling=True)):
        if best[1].iterations is not None and settings.get("lr_policy", "fixed") != "fixed":
            break
        found = descend(problem, word, settings, best[1].iterations or MOST)
        if found.iterations is not None and found.iterations < (best[1].iterations or MOST):
            best = settings, found
    return best


COLUMNS = [tables.Column("type", "solver type")] + [
    tables.Column(f"{problem}_{key}", f"{problem}: {heading}", form)
    for problem in PROBLEMS
    for key, heading, form in (("iterations", "iterations", ",d"), ("seconds", "seconds", ".3f"))
]


def row(word: str) -> dict[str, Any]:
    """A row of the table."""
    result: dict[str, Any] = {"type": word}
    for problem, settings in zip(PROBLEMS, SETTINGS[word], strict=True):
        descend(problem, word, settings, 1)  # compiles
        found = descend(problem, word, settings)
        result |= {f"{problem}_iterations": found.iterations, f"{problem}_seconds": found.seconds}
    return result


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*", help="solver types; left out: all")
    parser.add_argument("--tune", action="store_true", help="look for settings")
    args = parser.parse_args()
    console = Console()
    for word in (args.types or SETTINGS) if args.tune else ():
        for problem in PROBLEMS:
            console.print(word, problem, *tune(problem, word))
    if not args.tune:
        rows = [row(word) for word in args.types or SETTINGS]
        console.print(tables.rich("iterations and seconds to a loss of 1e-6", COLUMNS, rows))
        print(tables.markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()
