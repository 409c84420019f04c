"""Resuming: the state that a training goes on from, a snapshot of its own or a state of Caffe's solver."""

from __future__ import annotations

from pathlib import Path

from netspec.core.errors import NetspecError
from netspec.engine.weights import Weights
from netspec.training import caffe_states, reading
from netspec.training.caffe_weights import is_state
from netspec.training.container import UnreadableSnapshotError
from netspec.training.job import Job
from netspec.training.loading import RESUME, Match, match_same
from netspec.training.snapshot import Snapshot


def read(path: Path, job: Job, weights: Weights, taken: int) -> tuple[Match, Snapshot, list[NetspecError]]:
    """The weights to go on from, matched; the state; and what the file leaves open. Raises SnapshotError.

    `taken` is the number of batches that the training has taken so far.
    """
    if is_state(path):
        return caffe_states.read(path, job, weights, taken)
    state = reading.read(path)
    if state.iteration is None:
        raise UnreadableSnapshotError(f"'{path}' holds weights, but no solver state to resume from", help=RESUME)
    if state.unknown:
        held = " and ".join(state.unknown)
        raise UnreadableSnapshotError(f"'{path}' holds {held}, which this version does not restore", help=RESUME)
    return match_same(job, weights, state, path), state, []
