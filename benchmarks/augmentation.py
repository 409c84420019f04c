"""Does augmentation help? A small residual net with shifted, turned and mirrored images, and the same net without.

python -m benchmarks.augmentation [--seeds 1 2 3] [--json FILE] [--write]       about 15 minutes on one core

The zoo's `resnet8_fashion` on the bundled 10,000 + 2,000 images, one thread. The plain training differs in its
transforms alone. Tests are those on the way, every three epochs; what counts is the last, after all epochs, and not the
best, which would be chosen by the test images. `--json` keeps each training as it ends, and skips what the file has.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console

from benchmarks import machine, results, tables
from benchmarks.tables import Column
from benchmarks.trainings import BUNDLED, Settings, overrides
from netspec.training.events import Tested
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solve import solve

SOLVER = "resnet8_fashion"
WAYS: dict[str, Settings] = {
    "plain": {"data.train.transform": [{"type": "Scale", "factor": 0.00390625}]},
    "augmented": {},
}
"""What differs from the solver of the zoo."""
COLUMNS = (
    Column("seed", "seed", "d"),
    *(
        Column(f"{way}_{key}", f"{way}: {heading}", form)
        for way in WAYS
        for key, heading, form in (
            ("accuracy", "test accuracy", ".4f"),
            ("loss", "test loss", ".3f"),
            ("training", "training loss", ".4f"),
        )
    ),
    Column("gain", "gain", "+.4f"),
)


def train(way: str, seed: int) -> dict[str, Any]:
    """One training: its tests in order, and the mean loss of its last epoch."""
    loop = {"test_initialization": False, "snapshot": 0, "snapshot_after_train": False, "display": "1 epoch"}
    fields = {**BUNDLED, **loop, **WAYS[way], "random_seed": seed}
    session, begun = Session(load_solver(SOLVER, overrides(fields)), threads=1), time.perf_counter()
    tests = [event.outputs for event in solve(session) if isinstance(event, Tested)]
    return {
        "way": way,
        "seed": seed,
        "accuracies": [round(test["accuracy"], 4) for test in tests],
        "losses": [round(test["loss"], 4) for test in tests],
        "training": session.progress.mean,
        "seconds": time.perf_counter() - begun,
    }


def kept(path: Path | None) -> dict[tuple[str, int], dict[str, Any]]:
    """The trainings of a file, one line of JSON each."""
    lines = path.read_text().splitlines() if path and path.exists() else []
    return {(found["way"], found["seed"]): found for found in map(json.loads, lines)}


def row(seed: int, found: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    """The table's row of a seed."""
    cells: dict[str, Any] = {"seed": seed}
    for way in WAYS:
        one = found[way, seed]
        cells[f"{way}_accuracy"], cells[f"{way}_loss"] = one["accuracies"][-1], one["losses"][-1]
        cells[f"{way}_training"] = one["training"]
    return {**cells, "gain": cells["augmented_accuracy"] - cells["plain_accuracy"]}


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="train these alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps every training")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    found = kept(words.json)
    for seed in words.seeds:
        for way in words.ways:
            if (way, seed) not in found:
                found[way, seed] = train(way, seed)
                print(json.dumps(found[way, seed]), flush=True)
                if words.json:
                    with words.json.open("a") as file:
                        file.write(json.dumps(found[way, seed]) + "\n")
    if len(words.ways) < len(WAYS):
        return
    rows = [row(seed, found) for seed in words.seeds]
    sentence = machine.describe(1).sentence
    Console(width=150).print(tables.rich(sentence, COLUMNS, rows))
    print(f"mean gain: {mean(each['gain'] for each in rows):+.4f}")
    if words.write:
        tables.write("augmentation", results.wrapped(sentence), COLUMNS, rows)


if __name__ == "__main__":
    main()
