"""Are spoiled trainings found out? Each fault in several nets, before the training and after it, beside healthy ones.

python -m benchmarks.spoiled [NAME ...] [--json FILE] [--write]                 about 15 minutes on two cores

A row is a fault. For each net it says what `netspec check` warns of, what `netspec doctor SOLVER` finds before the
training, and what `netspec doctor RUN` finds after some hundred iterations of it. A fault is found where a finding that
names it is among these; any finding beside it that neither names it nor follows from it is false. `--json` keeps each
training as it ends, and skips what the file has. The faults stand in `benchmarks/faults.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, results, tables
from benchmarks.faults import FAULTS, HEALTHY, MORE, NUMBERS
from benchmarks.spoiling import Fault, Healthy, data
from benchmarks.tables import Column
from benchmarks.trainings import Settings, overrides
from netspec.core.errors import NetspecError
from netspec.study.doctor import examine, examine_run
from netspec.training.events import Warned
from netspec.training.job import Job, load_solver
from netspec.training.run import run
from netspec.training.runs import read

COLUMNS = (
    Column("fault", "fault"),
    Column("net", "net"),
    Column("train", "`train` says"),
    Column("solver", "`doctor SOLVER`"),
    Column("run", "`doctor RUN`"),
    Column("verdict", "verdict"),
)
Row = dict[str, Any]


def said(solver: str | Settings, settings: Settings) -> Row:
    """The codes of all that is said of a training: when it begins, of its solver, and of its run."""
    words = overrides(settings)
    try:
        job = load_solver(solver, words)
    except NetspecError as error:
        return {"train": _codes(error.errors()), "solver": [], "run": [], "texts": _texts(error.errors())}
    with tempfile.TemporaryDirectory() as folder:
        train, stopped = _trained(job, Path(folder) / "run")
        if stopped:
            return {"train": _codes(stopped), "solver": [], "run": [], "texts": _texts(stopped)}
        before = examine(load_solver(solver, words)).findings
        after = examine_run(read(Path(folder) / "run")).findings
    told = (*train, *before, *after)
    return {"train": _codes(train), "solver": _codes(before), "run": _codes(after), "texts": _texts(told)}


def _trained(job: Job, folder: Path) -> tuple[list[NetspecError], list[NetspecError]]:
    """The warnings of a training; and the errors that kept it from its first iteration."""
    warnings: list[NetspecError] = []
    begun = False
    try:
        with run(job, folder) as training:
            for event in training:
                begun = begun or hasattr(event, "iteration")
                warnings += [event.warning] if isinstance(event, Warned) else []
    except NetspecError as error:
        if not begun:
            return [], list(error.errors())
        warnings.append(error)
    return warnings, []


def _codes(found: Iterable[NetspecError]) -> list[str]:
    return list(dict.fromkeys(each.code for each in found))


def _texts(found: Iterable[NetspecError]) -> dict[str, str]:
    return {each.code: each.message + (f" ({each.help})" if each.help else "") for each in found}


def judged(right: Iterable[str], also: Iterable[str], found: Row) -> str:
    """`found`, `missed`, or what is said wrongly."""
    codes = {code for place in ("train", "solver", "run") for code in found[place]}
    named, false = codes & set(right), codes - set(right) - set(also)
    if false:
        return f"{'found' if named else 'missed' if right else 'healthy'}, and {', '.join(sorted(false))} is wrong"
    return "found" if named else "missed" if right else "healthy"


class Kept:
    """What was said of each training; in a file of JSON lines where one is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._found: dict[str, Row] = {one["key"]: one for one in map(json.loads, lines)}

    def get(self, key: str, solver: str | Settings, settings: Settings) -> Row:
        """What is said of a training: found out and kept, unless it is there."""
        if key not in self._found:
            found = {"key": key, **said(solver, settings)}
            self._found[key] = found
            print(json.dumps(found), flush=True)
            if self._path:
                with self._path.open("a") as file:
                    file.write(json.dumps(found) + "\n")
        return self._found[key]


def fault_rows(fault: Fault, kept: Kept, folder: Path) -> Iterable[Row]:
    """The rows of a fault, a net each."""
    for net, (solver, settings) in fault.trainings(folder).items():
        found = kept.get(f"{fault.name}/{net}", solver, settings)
        yield _row(fault.name, net, found, judged(fault.right, fault.also, found))


def healthy_row(one: Healthy, kept: Kept) -> Row:
    """The row of a healthy training."""
    found = kept.get(f"healthy/{one.name}", one.solver, one.settings)
    return _row("none", one.name, found, judged((), (), found))


def _row(fault: str, net: str, found: Row, verdict: str) -> Row:
    said = {place: " ".join(found[place]) or "-" for place in ("train", "solver", "run")}
    return {"fault": fault, "net": net, **said, "verdict": verdict, "missed": verdict not in {"found", "healthy"}}


def main() -> None:
    """Train, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults and healthy trainings; left out: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps what was said of every training")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    kept, rows = Kept(words.json), list[Row]()
    with tempfile.TemporaryDirectory() as name:
        folder = data(Path(name))
        for fault in (*FAULTS, *MORE):
            if not words.names or fault.name in words.names:
                rows += fault_rows(fault, kept, folder)
        for title, (right, solver, also) in NUMBERS.items():
            if not words.names or title in words.names:
                found = kept.get(f"{title}/numbers", solver, {})
                rows.append(_row(title, "regression", found, judged(right, also, found)))
        for one in HEALTHY:
            if not words.names or one.name in words.names or "healthy" in words.names:
                rows.append(healthy_row(one, kept))
    sentence = machine.describe(2).sentence
    Console(width=150).print(tables.rich(sentence, COLUMNS, rows))
    if words.write:
        tables.write("spoiled", results.wrapped(sentence), COLUMNS, rows)


if __name__ == "__main__":
    main()
