"""Does it cost accuracy that other layers do BatchNorm's passes? ResNet-20 with all rewrites, and without those.

python -m benchmarks.fusing_accuracy [--seeds 1 2 3] [--epochs 6] [--json FILE] [--write]    two minutes a training

`resnet8_fashion` of the zoo with 20 layers on the bundled 10,000 + 2,000 images, one thread. Both ways take the same
batches from the same weights; sums are taken in another order. What counts is the last test, after all epochs. A
difference between ways counts only where it is larger than that between seeds. `--json` keeps each training as it ends,
and skips what the file has.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console

from benchmarks import machine, results, tables
from benchmarks.lr_find import settings
from benchmarks.tables import Column
from benchmarks.trainings import overrides
from netspec.engine.rewrite import FUSING
from netspec.training.events import Tested
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solve import solve
from netspec.training.solvers.base import UpdateRule

NET, EPOCHS = "resnet20", 6
WAYS: dict[str, frozenset[str]] = {"without": frozenset(FUSING), "with": frozenset()}
"""The rewrites that a way is trained without."""
COLUMNS = (
    Column("seed", "seed"),
    Column("epochs", "epochs", "d"),
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


@contextmanager
def left_out(rule: type[UpdateRule], rewrites: frozenset[str]) -> Iterator[None]:
    """Let nets that are trained by this type of solver be compiled without these rewrites."""
    before = rule.without
    rule.without = before | rewrites
    try:
        yield
    finally:
        rule.without = before


def open_session(way: str, seed: int, epochs: int) -> Session:
    """The training of a way, before its first iteration."""
    solver, own = settings(NET)
    job = load_solver(solver, overrides({**own, "max_epoch": epochs, "test_interval": "1 epoch", "random_seed": seed}))
    with left_out(type(job.spec.rule), WAYS[way]):
        return Session(job, threads=1)


def train(way: str, seed: int, epochs: int) -> dict[str, Any]:
    """One training: its tests in order, the mean of its last losses, and how many blobs it never writes."""
    session, begun = open_session(way, seed, epochs), time.perf_counter()
    try:
        tests = [event.outputs for event in solve(session) if isinstance(event, Tested)]
        return {
            "way": way,
            "seed": seed,
            "epochs": epochs,
            "accuracies": [round(test["accuracy"], 4) for test in tests],
            "losses": [round(test["loss"], 4) for test in tests],
            "training": session.progress.mean,
            "unwritten": len(session.train.graph.unwritten),
            "seconds": round(time.perf_counter() - begun, 1),
        }
    finally:
        session.close()


def rows(seeds: Sequence[int], epochs: int, found: dict[tuple[str, int, int], dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each seed, and the means."""
    cells: list[dict[str, Any]] = []
    for seed in seeds:
        cells.append({"seed": seed, "epochs": epochs})
        for way in WAYS:
            one = found[way, seed, epochs]
            last = {"accuracy": one["accuracies"][-1], "loss": one["losses"][-1], "training": one["training"]}
            cells[-1] |= {f"{way}_{key}": value for key, value in last.items()}
        cells[-1]["gain"] = cells[-1]["with_accuracy"] - cells[-1]["without_accuracy"]
    means = {key: mean(row[key] for row in cells) for key in cells[0] if key not in {"seed", "epochs"}}
    return [*cells, {"seed": "mean", "epochs": epochs, **means}]


def kept(path: Path | None) -> dict[tuple[str, int, int], dict[str, Any]]:
    """The trainings of a file, one line of JSON each."""
    lines = path.read_text().splitlines() if path and path.exists() else []
    return {(found["way"], found["seed"], found["epochs"]): found for found in map(json.loads, lines)}


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="train these alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps every training")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    found = kept(words.json)
    for seed in words.seeds:
        for way in words.ways:
            key = way, seed, words.epochs
            if key not in found:
                found[key] = train(*key)
                print(json.dumps(found[key]), flush=True)
                if words.json:
                    with words.json.open("a") as file:
                        file.write(json.dumps(found[key]) + "\n")
    if len(words.ways) < len(WAYS):
        return
    table = rows(words.seeds, words.epochs, found)
    sentence = machine.describe(1).sentence
    Console(width=150).print(tables.rich(sentence, COLUMNS, table))
    if words.write:
        tables.write("fusing_accuracy", results.wrapped(sentence), COLUMNS, table)


if __name__ == "__main__":
    main()
