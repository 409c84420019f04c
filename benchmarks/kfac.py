"""KFAC beside SGD with momentum, tuned alike: iterations and seconds to a test accuracy of LeNet on the bundled images.

python -m benchmarks.kfac [--goal 0.87] [--seeds 1 2 3]

Each solver tries as many rates on a seed of its own, and takes the one that reaches the goal in the fewest iterations;
then it trains with that rate on the seeds. The net is tested every 20 iterations; the seconds are those of the training
alone, with its first iterations and without tests. Writes a table in Markdown.
"""

from __future__ import annotations

import argparse
from math import inf
from statistics import median
from typing import Any

from benchmarks import tables
from benchmarks.tables import Column
from benchmarks.trainings import Reached, reach

RATES = {"lenet": (0.01, 0.02, 0.03, 0.05), "lenet_kfac": (0.005, 0.01, 0.03, 0.1)}
TRIAL = 4
"""The seed on which rates are tried."""
LAST, INTERVAL = 1000, 20
"""Iterations after which a training has failed, and between tests."""


def train(solver: str, rate: float, seed: int, goal: float) -> Reached:
    """Train until a test reaches the goal."""
    loop = {"max_iter": LAST, "test_interval": INTERVAL}
    return reach(solver, {**loop, "base_lr": rate, "random_seed": seed}, goal)


def row(solver: str, seeds: list[int], goal: float) -> dict[str, Any]:
    """The table's row of a solver with the rate that does best in the trials."""
    train(solver, RATES[solver][0], TRIAL, 0.0)  # compiles
    trials = {rate: train(solver, rate, TRIAL, goal) for rate in RATES[solver]}
    for rate, trial in trials.items():
        print(f"{solver} base_lr={rate}: {trial.iterations or inf:g} iterations, best {trial.best:.4f}", flush=True)
    rate = min(trials, key=lambda one: trials[one].iterations or inf)
    runs = [train(solver, rate, seed, goal) for seed in seeds]
    iterations = [run.iterations or inf for run in runs]
    return {
        "solver": solver,
        "rate": rate,
        **{f"seed {seed}": each for seed, each in zip(seeds, iterations, strict=True)},
        "median": median(iterations),
        "seconds": median(run.seconds or inf for run in runs),
        "pace": median(run.pace for run in runs),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kfac", description="KFAC beside SGD with momentum.")
    parser.add_argument("--goal", type=float, default=0.87)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    columns = (
        Column("solver", "solver"),
        Column("rate", "base_lr", "g"),
        *(Column(f"seed {seed}", f"seed {seed}", "g") for seed in given.seeds),
        Column("median", "median", "g"),
        Column("seconds", "seconds", ".1f"),
        Column("pace", "ms an iteration", ".1f"),
    )
    print(tables.markdown(columns, [row(solver, given.seeds, given.goal) for solver in RATES]))


if __name__ == "__main__":
    main()
