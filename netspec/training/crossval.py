"""Cross-validation: a solver trained once for each fold of its data, in a folder of runs; the scores of all folds.

A fold's run is a run folder of its own. The first one's config.yaml is what all others are trained from, so that a
solver file that changes in between changes none of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from netspec.core.errors import UsageError
from netspec.core.locate import RUN_CONFIG
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.training.events import Finished, Tested
from netspec.training.folders import claimed_folder, holds, named
from netspec.training.job import Job, load_solver
from netspec.training.runs import RunRecord, read

_FOLD = re.compile(r"fold-\d+")


@dataclass(frozen=True)
class CrossValidation:
    """The runs of a cross-validation in a folder: fold-0, fold-1, ..."""

    folder: Path
    folds: int

    def run(self, fold: int) -> Path:
        """The run folder of a fold."""
        return self.folder / f"fold-{fold}"

    def job(self, fold: int) -> Job:
        """The training of a fold, as the first one's config.yaml has it."""
        return load_solver(str(self.run(0) / RUN_CONFIG), [f"data.all.fold={fold}"])

    def begun(self, fold: int) -> bool:
        """Whether the training of a fold was begun, so that it goes on, from its latest snapshot if there is one."""
        return holds(self.run(fold))

    def scores(self, fold: int) -> dict[str, float] | None:
        """The scores of a fold's last tests, by FEED/blob; None where its training has not come to its end."""
        path = self.run(fold)
        return last_scores(read(path)) if holds(path) else None


def last_scores(record: RunRecord) -> dict[str, float] | None:
    """The scores of the last test on each feed, by FEED/blob; None of a training that has not come to its end."""
    end = record.events[-1] if record.events else None
    if not isinstance(end, Finished) or end.stopped is not None:
        return None
    tests = {event.feed: event.outputs for event in record.events if isinstance(event, Tested)}
    return {f"{feed}/{name}": value for feed, outputs in tests.items() for name, value in outputs.items()}


def is_crossval(folder: Path) -> bool:
    """Whether a folder holds the runs of a cross-validation."""
    return not holds(folder) and holds(folder / "fold-0")


def fold_runs(folder: Path) -> list[Path]:
    """The run folders of a cross-validation, in their order."""
    found = [path for path in folder.iterdir() if _FOLD.fullmatch(path.name) and holds(path)]
    return sorted(found, key=lambda path: int(path.name.partition("-")[2]))


def named_runs(words: Sequence[str]) -> list[Path]:
    """The run folders that words name, each once; a cross-validation stands for its folds."""
    places = [named(word) for word in words]
    return list(dict.fromkeys(run for each in places for run in (fold_runs(each) if is_crossval(each) else [each])))


def begin(
    solver: str, overrides: Sequence[str], folds: int | None, folder: Path | None, asked: AskedState = NOTHING_ASKED
) -> tuple[CrossValidation, Job]:
    """A cross-validation of a solver, and its first training. `folds` left out are those of the solver, or 5.

    The folder is runs/NAME-cv-1, -2, ... where none is given. Raises UsageError, and the mistakes in the solver.
    """
    plain = load_solver(solver, overrides, asked=asked)
    every = plain.spec.data.all
    if every is None:
        raise UsageError(
            "cross-validation divides one source among the feeds, but this solver has no `data: all:`",
            at=plain.spec.place("data", key=True),
            help="like `data: {all: {source: ..., split: {train: 0.8, test: 0.2}}, train: {...}, test: {...}}`, "
            "where `train` and `test` have no source",
        )
    number = folds or every.folds or FOLDS
    first = load_solver(solver, [*overrides, f"data.all.folds={number}", "data.all.fold=0"], asked=asked)
    if folder is not None and folder.exists() and any(folder.iterdir()):
        help = f"`netspec crossval {folder}` goes on with it" if is_crossval(folder) else "choose another --output"
        raise UsageError(f"'{folder}' already holds files", help=help)
    return CrossValidation(folder or claimed_folder(f"{plain.name}-cv"), number), first


FOLDS = 5
"""Folds where neither the command nor the solver says how many."""


def resumed(folder: Path, folds: int | None) -> CrossValidation:
    """The cross-validation in a folder, to go on with. Raises UsageError."""
    every = load_solver(str(folder / "fold-0" / RUN_CONFIG)).spec.data.all
    number = every.folds if every else None
    if number is None:
        raise UsageError(f"'{folder / 'fold-0'}' is not the run of a fold: its data have no `folds`")
    if folds not in (None, number):
        raise UsageError(
            f"the cross-validation in '{folder}' has {number} folds, not {folds}", help="leave --folds out"
        )
    return CrossValidation(folder, number)


@dataclass(frozen=True)
class FoldScore:
    """A score over all folds: its value in each, their mean, and their sample standard deviation."""

    name: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the folds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float:
        """The deviation of a fold from the mean, with folds - 1 in the denominator; NaN of a single fold."""
        return stdev(self.values) if len(self.values) > 1 else math.nan


def fold_scores(folds: Sequence[dict[str, float]]) -> list[FoldScore]:
    """The scores that all folds have, in the order of the first."""
    names = [name for name in (folds[0] if folds else ()) if all(name in fold for fold in folds)]
    return [FoldScore(name, tuple(fold[name] for fold in folds)) for name in names]
