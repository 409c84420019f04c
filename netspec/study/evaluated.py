"""Evaluated: what tests say of a run's weights, from its folder; a test that is missing is made first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.core.errors import NetspecError
from netspec.core.outputs import WriteError
from netspec.training import folders
from netspec.training.job import Job
from netspec.training.judging import kept
from netspec.training.judging.evaluation import evaluate, write
from netspec.training.run import load_tester
from netspec.training.runs import RunRecord


@dataclass(frozen=True)
class Evaluated:
    """The evaluations of a run by the names of the data, as `training/judging/evaluation.py` documents them.

    `missing` says why there is none of the run's own test data, where there is none.
    """

    tests: Mapping[str, dict[str, Any]]
    missing: str | None = None


def evaluated(record: RunRecord, job: Job, threads: int | None = None) -> Evaluated:
    """The evaluations in a run folder, with that of the test data, by the best weights where there are any.

    It is made, and kept in the folder, where it is missing or older than the weights that it was made of. Raises
    BrokenRunError.
    """
    tests = kept.kept(record.path)
    on = tested_on(job)
    if on is None:
        return Evaluated(tests, None if tests else "the solver has no test data")
    if on in tests and _current(record, tests[on]["weights"], on):
        return Evaluated(tests)
    others = {name: one for name, one in tests.items() if name != on}
    weights = folders.best(record.path) or record.latest
    if weights is None:
        return Evaluated(others, "the run has no snapshot yet")
    try:
        tester, _ = load_tester(job, weights, threads, on, judged=True)
        _, values = evaluate(tester, on, weights)
    except NetspecError as error:
        return Evaluated(others, "; ".join(each.message for each in error.errors()))
    with suppress(WriteError):  # where nothing may be written it is made again next time
        write(record.path, values)
    return Evaluated({on: values} | others)


def tested_on(job: Job) -> str | None:
    """The data that a run is tested on, as `netspec test` chooses; None without any."""
    if job.tested:
        return next(iter(job.tested))
    return None if job.test is None else job.spec.feed_name("TEST")


def _current(record: RunRecord, weights: str, on: str) -> bool:
    """Whether an evaluation is of weights that the run still has, and has not written anew since."""
    try:
        written = (record.path / folders.SNAPSHOTS / Path(weights).name).stat().st_mtime_ns
        return written <= kept.file(record.path, on).stat().st_mtime_ns
    except OSError:
        return False
