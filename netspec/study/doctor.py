"""The doctor: what the rules say of a solver before it trains, or of a run by what it recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netspec.core.errors import CheckFailed, NetspecError
from netspec.training.events import Event
from netspec.training.history import History
from netspec.training.job import Job, load_solver
from netspec.training.probe import Probe
from netspec.training.probing import probe
from netspec.training.rehearsal import rehearse
from netspec.training.rules.base import Known, judge
from netspec.training.rules.probed.base import PROBED
from netspec.training.rules.recorded.base import RECORDED
from netspec.training.runs import RunRecord
from netspec.training.series import history


class FoundError(CheckFailed):
    """The doctor has findings, and was asked to fail then."""

    code = "NS856"


@dataclass(frozen=True)
class Examination:
    """What was examined, what it showed, and what the rules find fault with.

    `probe` is what the first batches of a solver show, `history` what a run recorded; the other is None.
    """

    name: str
    job: Job
    findings: tuple[NetspecError, ...]
    probe: Probe | None = None
    history: History | None = None


def examine(job: Job) -> Examination:
    """Examine a solver before it trains. Raises the errors that would keep it from its first iteration."""
    feeds, warnings = rehearse(job)
    seen = probe(job, feeds)
    found = judge(Known(job.nets, job, feeds, probe=seen), room=PROBED)
    return Examination(job.name, job, (*warnings, *found), seen)


def examine_run(record: RunRecord) -> Examination:
    """Examine a run by what its folder holds; its data are not opened. Raises the errors of its configuration."""
    job = load_solver(str(record.path))
    recorded = replace(history(record), last=_last(job, record.events))
    known = Known(job.nets, job, history=recorded)
    return Examination(str(record.path), job, (*judge(known), *judge(known, room=RECORDED)), history=recorded)


def _last(job: Job, events: list[Event]) -> int | None:
    """The iteration at which a training was to end; epochs are as long as its events say."""
    counted = next((event for event in reversed(events) if event.epoch and event.iteration), None)
    if counted is None or not counted.epoch:
        return job.spec.max_iter
    return job.last(round(counted.iteration * job.pace(None).iteration / counted.epoch))
