"""KFAC beside SGD with momentum, tuned alike: iterations and seconds to a test accuracy of LeNet on the bundled images.

python -m benchmarks.kfac [--goal 0.87] [--seeds 1 2 3]

Each solver tries as many rates on a seed of its own, and takes the one that reaches the goal in the fewest iterations;
then it trains with that rate on the seeds. The net is tested every 20 iterations; the seconds are those of the training
alone, with its first iterations and without tests. Writes a table in Markdown.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import NamedTuple

from netspec.core.errors import DivergedError
from netspec.training.events import Tested
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solve import solve

RATES = {"lenet": (0.01, 0.02, 0.03, 0.05), "lenet_kfac": (0.005, 0.01, 0.03, 0.1)}
TRIAL = 4
"""The seed on which rates are tried."""
LAST, INTERVAL = 1000, 20
"""Iterations after which a training has failed, and between tests."""


class Reached(NamedTuple):
    """How far a training came: iterations and seconds to the goal, and the best accuracy until then."""

    iterations: float
    seconds: float
    best: float


def reach(solver: str, rate: float, seed: int, goal: float) -> Reached:
    """Train until a test reaches the goal."""
    data = [f"data.{phase}.source.subset=true" for phase in ("train", "test")]
    loop = [f"max_iter={LAST}", f"test_interval={INTERVAL}", "test_initialization=false", "snapshot=0", "display=0"]
    session = Session(load_solver(solver, [*data, *loop, f"base_lr={rate}", f"random_seed={seed}"]))
    begun, testing, best = time.perf_counter(), 0.0, 0.0
    try:
        for event in solve(session):
            if isinstance(event, Tested):
                testing += float(event.seconds)
                best = max(best, float(event.outputs["accuracy"]))
                if best >= goal:
                    return Reached(event.iteration, time.perf_counter() - begun - testing, best)
    except DivergedError:
        pass
    finally:
        session.close()
    return Reached(float("inf"), float("inf"), best)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kfac", description="KFAC beside SGD with momentum.")
    parser.add_argument("--goal", type=float, default=0.87)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    found: dict[str, tuple[float, list[Reached]]] = {}
    for solver, rates in RATES.items():
        reach(solver, rates[0], TRIAL, 0.0)  # compiles
        trials = {rate: reach(solver, rate, TRIAL, given.goal) for rate in rates}
        for rate, trial in trials.items():
            print(f"{solver} base_lr={rate}: {trial.iterations:g} iterations, best {trial.best:.4f}", flush=True)
        rate = min(rates, key=lambda one: trials[one].iterations)
        found[solver] = rate, [reach(solver, rate, seed, given.goal) for seed in given.seeds]
    seeds = " | ".join(f"seed {seed}" for seed in given.seeds)
    print(f"\n| solver | base_lr | {seeds} | median | seconds | ms an iteration |")
    print("|---|---|" + "---|" * (len(given.seeds) + 3))
    for solver, (rate, runs) in found.items():
        each = " | ".join(f"{run.iterations:g}" for run in runs)
        middle, seconds = median(run.iterations for run in runs), median(run.seconds for run in runs)
        pace = median(1000 * run.seconds / run.iterations for run in runs)
        print(f"| {solver} | {rate} | {each} | {middle:g} | {seconds:.1f} | {pace:.1f} |")


if __name__ == "__main__":
    main()
