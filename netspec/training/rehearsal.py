"""Rehearsal: all that a training does before its kernels are compiled, for `check --data`."""

from __future__ import annotations

from pathlib import Path

from netspec.core import locate
from netspec.core.errors import NetspecError
from netspec.core.nodes import placed
from netspec.data.feed import Feed
from netspec.engine.weights import Weights, fill_weights
from netspec.training.feeds import open_phases
from netspec.training.job import Job
from netspec.training.loading import LoadReport, load
from netspec.training.rules.base import Known, judge


def rehearse(job: Job) -> tuple[dict[str, Feed], list[NetspecError]]:
    """Open the data of all phases, load the weights that the solver names, and judge: the feeds, and the warnings.

    Raises the errors that would keep the training from its first iteration.
    """
    feeds, weights = open_phases(job, job.spec.random_seed), None
    if job.spec.weights is not None:
        own = fill_weights(job.train, job.spec.dtype, job.spec.random_seed)
        load_own(job, own)
        weights = dict(zip(own.names, own.data, strict=True))
    return feeds, judge(Known(job.nets, job, feeds, weights), "warning")


def load_own(job: Job, weights: Weights) -> tuple[Path, LoadReport] | None:
    """Load the weights that the solver names, if any. Raises SnapshotError placed at its `weights`."""
    own = job.spec.weights
    if own is None:
        return None
    path = locate.beside(job.base, own)
    with placed(job.spec.written, "weights"):
        return path, load(job.train, weights, path)
