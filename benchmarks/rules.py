"""All solver types on LeNet and the bundled images: iterations and seconds to 0.86, and the best accuracy in 20 epochs.

python -m benchmarks.rules [TYPE ...] [--seeds 1] [--json FILE] [--trials] [--write]

Each type has three SETTINGS. It trains with each for 3 epochs on a seed of its own, and takes the one with the best
test; with that it trains for 20 epochs on each seed, on one thread. Seconds are those of so many iterations at the pace
that is measured when all have trained, by CPU time. `--json` keeps every training as it ends, and skips what the file
has already: so the table can be made in pieces.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from contextlib import closing
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks import machine, results, tables
from benchmarks.tables import Column
from benchmarks.trainings import BUNDLED, Reached, Settings, constant, overrides, reach
from netspec.training.job import load_solver
from netspec.training.session import Session

MOMENTUM = {"momentum": 0.9}
LARGE = {"iter_size": 16, "test_interval": 3}
"""Batches of 1,024 for types whose steps noise leads astray; a test after about as many images as for the others."""
SETTINGS: dict[str, tuple[Settings, ...]] = {
    "SGD": constant(0.003, 0.01, 0.03, **MOMENTUM),
    "Nesterov": constant(0.003, 0.01, 0.03, **MOMENTUM),
    "AdaGrad": constant(0.003, 0.01, 0.03),
    "RMSProp": constant(3e-4, 1e-3, 3e-3, rms_decay=0.98),
    "AdaDelta": constant(0.3, 1.0, 3.0, momentum=0.95, delta=1e-6),
    "Adam": constant(3e-4, 1e-3, 3e-3, **MOMENTUM),
    "AdamW": constant(3e-4, 1e-3, 3e-3, weight_decay=0.01),
    "NAdam": constant(3e-4, 1e-3, 3e-3),
    "AdaMax": constant(1e-3, 3e-3, 1e-2),
    "RAdam": constant(3e-4, 1e-3, 3e-3),
    "QHAdam": constant(3e-4, 1e-3, 3e-3),
    "Lion": constant(3e-5, 1e-4, 3e-4, weight_decay=0.1),
    "LARS": constant(0.3, 1.0, 3.0),
    "LAMB": constant(1e-3, 3e-3, 1e-2, weight_decay=0.01),
    "Adafactor": constant(3e-3, 1e-2, 3e-2),
    "Rprop": constant(3e-3, 1e-2, 3e-2, **LARGE),
    "KFAC": constant(3e-3, 1e-2, 3e-2, **MOMENTUM),
    "GradientDescent": constant(0.03, 0.1, 0.3, **LARGE),
    "LBFGS": tuple(
        {"base_lr": None, "lr_policy": None, "iter_size": batches, "test_interval": interval}
        for batches, interval in ((16, 3), (40, 1), (157, 1))
    ),
}
"""Of each solver type, what is tried: the fields that differ from the zoo's `lenet`."""
LEFT_OUT = {"Newton": "it takes nets of at most 2,000 params, and LeNet has 431,080"}
"""Solver types without a row, and why."""
GOAL, TRIAL_SEED, TRIAL_EPOCHS, EPOCHS, INTERVAL = 0.86, 4, 3, 20, 50
COLUMNS = (
    Column("type", "solver type"),
    Column("chosen", "chosen"),
    Column("tried", "best tests of the three trials"),
    Column("trial", f"the chosen one's iterations to {GOAL}", ",d"),
    Column("iterations", f"iterations to {GOAL}", ",d"),
    Column("seconds", "seconds", ".1f"),
    Column("best", f"best in {EPOCHS} epochs", ".4f"),
    Column("pace", "ms an iteration", ".1f"),
)


def asked(word: str, settings: Settings, seed: int, epochs: int) -> Settings:
    """The fields of a training that differ from the zoo's `lenet`."""
    loop = {"type": word, "random_seed": seed, "max_iter": None, "max_epoch": epochs, "test_interval": INTERVAL}
    return {**loop, "momentum": None, **settings}


class Kept:
    """The trainings of a file: one line of JSON each, written as the training ends."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self.found = {json.dumps(fields): Reached(*found) for fields, found in map(json.loads, lines)}

    def has(self, word: str, settings: Settings, seed: int, epochs: int) -> bool:
        """Whether the file has that training."""
        return json.dumps(asked(word, settings, seed, epochs)) in self.found

    def train(self, word: str, settings: Settings, seed: int, epochs: int) -> Reached:
        """The training of that file, or else a new one."""
        fields = asked(word, settings, seed, epochs)
        name = json.dumps(fields)
        if name not in self.found:
            self.found[name] = reach("lenet", fields, GOAL, threads=1, on=True)
            print(name, *self.found[name], flush=True)
            if self.path:
                with self.path.open("a") as file:
                    file.write(json.dumps([fields, self.found[name]]) + "\n")
        return self.found[name]


def chosen(word: str, kept: Kept) -> tuple[Settings, list[Reached]]:
    """The settings with the best test among the trials, and the trials."""
    trials = [kept.train(word, settings, TRIAL_SEED, TRIAL_EPOCHS) for settings in SETTINGS[word]]
    best = max(range(len(trials)), key=lambda index: trials[index].best)
    return SETTINGS[word][best], trials


def pace(word: str, settings: Settings, seconds: float = 1.0) -> float:
    """Mean milliseconds of an iteration after the first two, by CPU time, because the machine may be shared."""
    fields = {**BUNDLED, **asked(word, settings, 1, EPOCHS)}
    with closing(Session(load_solver("lenet", overrides(fields)), threads=1)) as session:
        for _ in range(2):
            session.step()
        begun, done = time.process_time(), 0
        while (spent := time.process_time() - begun) < seconds or done < 3:
            session.step()
            done += 1
    return 1000 * spent / done


def row(word: str, runs: list[Reached], kept: Kept) -> dict[str, Any]:
    """The table's row of one solver type; medians over the trainings."""
    settings, trials = chosen(word, kept)
    key = "base_lr" if settings["base_lr"] else "iter_size"
    found: dict[str, Any] = {"type": word, "chosen": f"{key} {settings[key]:g}", "pace": pace(word, settings)}
    found["tried"] = " ".join(f"{trial.best:.4f}" for trial in trials)
    found["trial"] = max(trials, key=lambda trial: trial.best).iterations
    if runs:
        found["best"] = median(run.best for run in runs)
    if runs and (iterations := median(run.iterations or inf for run in runs)) < inf:
        found |= {"iterations": round(iterations), "seconds": iterations * found["pace"] / 1000}
    return found


def main() -> None:
    """Train, and print the table of the types that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*", metavar="TYPE", help=", ".join(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps every training")
    parser.add_argument("--trials", action="store_true", help="train nothing but the trials")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    kept, types = Kept(words.json), words.types or list(SETTINGS)
    settings = {word: chosen(word, kept)[0] for word in types}
    runs: dict[str, list[Reached]] = {word: [] for word in types}
    for word, seed in itertools.product(types, words.seeds):
        if not words.trials or kept.has(word, settings[word], seed, EPOCHS):
            runs[word].append(kept.train(word, settings[word], seed, EPOCHS))
    rows = [row(word, runs[word], kept) for word in types]
    sentence = machine.describe(1).sentence
    Console(width=150).print(tables.rich(sentence, COLUMNS, rows))
    if words.write:
        tables.write("rules", results.wrapped(sentence), COLUMNS, rows)


if __name__ == "__main__":
    main()
