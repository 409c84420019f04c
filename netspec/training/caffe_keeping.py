"""Snapshots in Caffe's files, under Caffe's names: PREFIX_iter_500.caffemodel and PREFIX_iter_500.solverstate.

Source: Caffe solver.cpp, Snapshot and SnapshotFilename.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from netspec.core.locate import beside
from netspec.core.outputs import WriteError
from netspec.formats.caffemodel import Written
from netspec.training.caffe_saving import save, save_state, state_of
from netspec.training.events import Snapshotted, Unwritten
from netspec.training.loop import Loop
from netspec.training.session import Session

Texts = Callable[[], Sequence[Written] | None]
"""The layers with their texts in Caffe's words and their arrays, where they can be had."""


def write(session: Session, path: Path, texts: Texts = lambda: None) -> Path:
    """Write a training as Caffe's files: weights, or with a name that ends in .solverstate the weights and the state.

    Returns the path of the last file. Raises NotFiniteError, TooLargeError, OtherSolverError, WriteError.
    """
    state = session.state()
    hdf5 = path.suffix.lower() == ".h5"
    whole = path.with_suffix("") if hdf5 else path
    if whole.suffix.lower() != ".solverstate":
        save(path, session.train.shaped, state.weights, texts(), state.diffs)
        return path
    model = whole.with_suffix(".caffemodel.h5" if hdf5 else ".caffemodel")
    made = state_of(state, session.job, str(model), session.course)
    save(model, session.train.shaped, state.weights, texts(), state.diffs)
    save_state(path, made)
    return path


class CaffeSnapshots:
    """Writes the snapshots of a training in Caffe's files, as `Snapshots` writes netspec's."""

    def __init__(self, session: Session, texts: Texts = lambda: None) -> None:
        self._session, self._texts = session, texts
        self._last = -1
        self.refused = False
        """Whether the last snapshot on the way was refused."""

    @property
    def current(self) -> None:
        """None of these files is a snapshot of netspec."""

    @property
    def path(self) -> Path:
        """The file of the state of this iteration."""
        job, loop = self._session.job, self._session.spec.loop or Loop()
        prefix = beside(job.base, loop.snapshot_prefix) if loop.snapshot_prefix else job.base / job.name
        if prefix.is_dir():
            prefix = prefix / job.name
        end = ".h5" * (loop.snapshot_format == "HDF5")
        return prefix.with_name(f"{prefix.name}_iter_{self._session.iteration}.solverstate{end}")

    def try_write(self) -> Iterator[Snapshotted | Unwritten]:
        """Write the snapshot of this iteration on the way; a note where the disk refuses it."""
        try:
            yield from self.write()
        except WriteError as error:
            self.refused = True
            yield Unwritten(self.path, f"{error.message}; there is no snapshot of iteration {self._session.iteration}")

    def write(self, anew: bool = False) -> Iterator[Snapshotted]:
        """Write the snapshot of this iteration, if there is none yet or it is wanted `anew`. Raises WriteError."""
        session = self._session
        if session.iteration == self._last and not anew:
            return
        path = write(session, self.path, self._texts)
        self._last, self.refused = session.iteration, False
        yield Snapshotted(session.iteration, path, epoch=session.epoch(session.iteration))
