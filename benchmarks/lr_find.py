"""Does `netspec lr-find` suggest rates that train? Each net by its hand-tuned rate, and by the suggested one.

python -m benchmarks.lr_find [NET ...] [--json FILE] [--write]                  about 10 minutes on two cores

On the bundled 10,000 + 2,000 images. Nothing but base_lr differs: policy, warm-up and length are those of the solver
that was tuned by hand. What counts is the last test, after all iterations. The suggestion is that of the command's own
range and length. `--json` keeps each training as it ends, and skips what the file has.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, results, tables
from benchmarks.tables import Column
from benchmarks.trainings import BUNDLED, Settings, overrides
from netspec.cli.lr_find import HIGHEST, ITERATIONS, LOWEST
from netspec.core.errors import DivergedError
from netspec.study.lr_find import sweep
from netspec.training.events import Tested
from netspec.training.job import load_solver
from netspec.training.session import Session
from netspec.training.solve import solve

NETS: dict[str, tuple[str, Settings]] = {
    "lenet": ("lenet", {}),
    "lenet_adam": ("lenet_adam", {"max_iter": 2000}),
    "mlp": ("mlp", {}),
    "resnet8": ("resnet8_fashion", {"max_epoch": 10}),
    "resnet20": ("resnet8_fashion", {"net.vars.n": 3, "max_epoch": 6}),
    "iris_mlp": ("iris_mlp", {}),
    "linear_svm": ("linear_svm", {}),
    "logistic_regression": ("logistic_regression", {}),
}
"""For each row the solver of the zoo, and what differs from it."""
COLUMNS = (
    Column("net", "net"),
    Column("tuned", "rate by hand", ".3g"),
    Column("suggested", "suggested", ".2g"),
    Column("tuned_accuracy", "accuracy by hand", ".4f"),
    Column("suggested_accuracy", "by the suggestion", ".4f"),
    Column("gain", "gain", "+.4f"),
    Column("seconds", "sweep, s", ".1f"),
)


def settings(net: str) -> tuple[str, Settings]:
    """The solver of a row, and its settings."""
    solver, own = NETS[net]
    images = {} if "iris" in solver else BUNDLED
    loop = {"test_initialization": False, "snapshot": 0, "snapshot_after_train": False, "display": 0}
    return solver, {**images, **loop, **own}


def suggest(net: str) -> dict[str, Any]:
    """The suggested rate of a row, that of its solver, and the seconds of the sweep."""
    solver, own = settings(net)
    job = load_solver(solver, overrides(own), phases=("TRAIN",))
    begun = time.perf_counter()
    found = sweep(job, LOWEST, HIGHEST, ITERATIONS)
    return {
        "net": net,
        "what": "sweep",
        "rate": found.suggestion,
        "tuned": job.spec.base_lr,
        "seconds": time.perf_counter() - begun,
    }


def train(net: str, what: str, rate: float) -> dict[str, Any]:
    """The last test's accuracy of a training at a rate; 0 where it broke off."""
    solver, own = settings(net)
    session, accuracy = Session(load_solver(solver, overrides({**own, "base_lr": rate}))), 0.0
    with suppress(DivergedError):
        accuracy = [event.outputs["accuracy"] for event in solve(session) if isinstance(event, Tested)][-1]
    return {"net": net, "what": what, "rate": rate, "accuracy": accuracy}


class Kept:
    """What was measured, by row and kind; in a file of JSON lines where one is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._found = {(one["net"], one["what"]): one for one in map(json.loads, lines)}

    def get(self, net: str, what: str, rate: float | None = None) -> dict[str, Any]:
        """A measurement: made and kept, unless it is there."""
        if (net, what) not in self._found:
            found = suggest(net) if rate is None else train(net, what, rate)
            self._found[net, what] = found
            print(json.dumps(found), flush=True)
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps(found) + "\n")
        return self._found[net, what]


def row(net: str, kept: Kept) -> dict[str, Any]:
    """The table's row of a net."""
    swept = kept.get(net, "sweep")
    tuned = kept.get(net, "tuned", swept["tuned"])["accuracy"]
    own = kept.get(net, "suggested", swept["rate"])["accuracy"] if swept["rate"] else 0.0
    rates = {"tuned": swept["tuned"], "suggested": swept["rate"], "seconds": swept["seconds"]}
    return {"net": net, **rates, "tuned_accuracy": tuned, "suggested_accuracy": own, "gain": own - tuned}


def main() -> None:
    """Sweep and train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"rows, of {', '.join(NETS)}; left out: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps every training")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    kept = Kept(words.json)
    rows = [row(net, kept) for net in words.nets or NETS]
    sentence = machine.describe(2).sentence
    Console(width=150).print(tables.rich(sentence, COLUMNS, rows))
    if words.write:
        tables.write("lr_find", results.wrapped(sentence), COLUMNS, rows)


if __name__ == "__main__":
    main()
