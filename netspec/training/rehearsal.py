"""Rehearsal: all that a training does before its kernels are compiled, for `check --data`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from netspec.core import locate
from netspec.core.errors import Findings, NetspecError
from netspec.core.nodes import placed
from netspec.data.feed import Feed
from netspec.engine.weights import Weights, fill_weights
from netspec.training.feeds import open_phases
from netspec.training.job import Job
from netspec.training.loading import LoadReport, load_files
from netspec.training.rules.base import Known, judge
from netspec.training.weight_files import WeightFiles


def rehearse(job: Job) -> tuple[dict[str, Feed], list[NetspecError]]:
    """Open the data of all phases, load the weights that the solver names, and judge: the feeds, and the warnings.

    Raises the errors that would keep the training from its first iteration.
    """
    feeds, weights = open_phases(job, job.spec.random_seed), None
    unreadable = Findings()
    for feed in feeds.values():
        with unreadable.catching():
            feed.read_through()
    unreadable.raise_if_any()
    if job.spec.weights is not None:
        own = fill_weights(job.train, job.spec.dtype, job.spec.random_seed)
        load_own(job, own)
        weights = dict(zip(own.names, own.data, strict=True))
    return feeds, judge(Known(job.nets, job, feeds, weights))


def load_own(job: Job, weights: Weights, files: Sequence[Path] = ()) -> tuple[tuple[Path, ...], LoadReport] | None:
    """Load the weights that the solver names, if any; `files` take the place of its files.

    Raises SnapshotError, placed at the solver's `weights` where that names the files.
    """
    wanted = job.spec.weights or WeightFiles.model_construct(files=())
    paths = tuple(files) or tuple(locate.beside(job.base, file) for file in wanted.files)
    if not paths:
        return None
    with nullcontext() if files else placed(job.spec.written, "weights"):
        return paths, load_files(job.train, weights, wanted, paths)
