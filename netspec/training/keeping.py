"""Keeping: the snapshot files of a training, those on the way and that of the best test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from netspec.core.errors import SnapshotError
from netspec.training import snapshot
from netspec.training.container import WriteError
from netspec.training.events import Snapshotted, Unwritten
from netspec.training.session import Session
from netspec.training.snapshot import BEST, REPLACED


class Snapshots:
    """Writes the snapshots of a training, one at most of an iteration; none where there is no folder."""

    def __init__(self, session: Session, folder: Path | None) -> None:
        self._session, self._folder = session, folder
        begun = folder is not None and session.resumed == (folder / snapshot.name(session.iteration)).resolve()
        self._last = session.iteration if begun else -1
        self.refused = False
        """Whether the last snapshot on the way was refused."""

    @property
    def current(self) -> Path | None:
        """The snapshot of this iteration, if it is written."""
        if self._folder is None or self._last != self._session.iteration:
            return None
        return self._folder / snapshot.name(self._last)

    def try_write(self) -> Iterator[Snapshotted | Unwritten]:
        """Write the snapshot of this iteration on the way; a note where the disk refuses it."""
        try:
            yield from self.write()
        except WriteError as error:
            self.refused = True
            path = (self._folder or Path()) / snapshot.name(self._session.iteration)
            yield Unwritten(path, f"{error.message}; the training goes on without this snapshot")

    def write(self, anew: bool = False) -> Iterator[Snapshotted]:
        """Write the snapshot of this iteration, if there is none yet or it is wanted `anew`. Raises WriteError."""
        session, folder = self._session, self._folder
        if folder is None or (self.current is not None and not anew):
            return
        path = folder / snapshot.name(session.iteration)
        session.snapshot(path)
        snapshot.prune(folder, session.spec.snapshot_keep)
        self._last, self.refused = session.iteration, False
        yield Snapshotted(session.iteration, path, epoch=session.epoch(session.iteration))


class BestWeights:
    """Keeps the state with which the best test was made, in best.safetensors; in a folder of its own where none is.

    Which test is the best follows from the recorded tests alone. A file that is not of that test is set aside: a run
    may resume from before the test that it is of.
    """

    def __init__(self, session: Session, folder: Path | None) -> None:
        self._session, self._metric = session, session.watch.best
        self._own = TemporaryDirectory(prefix="netspec") if folder is None and self._restores else None
        self._folder = folder if self._own is None else Path(self._own.name)
        if self._metric is not None and folder is not None:
            self._settle(folder)

    @property
    def _restores(self) -> bool:
        stop = self._session.watch.stop
        return stop is not None and stop.restore

    @property
    def iteration(self) -> int | None:
        """The iteration of the best test so far, if there is one."""
        found = None if self._metric is None else self._metric.best(self._session.tests)
        return None if found is None else found[0]

    def _settle(self, folder: Path) -> None:
        """Set a file aside that is not of the best test; the snapshot of that iteration takes its place."""
        path, wanted = folder / BEST, self.iteration
        if not path.exists() or _iteration(path) == wanted:
            return
        (folder / REPLACED).mkdir(exist_ok=True)
        os.replace(path, folder / REPLACED / BEST)
        if wanted is not None and (same := folder / snapshot.name(wanted)).exists():
            _link(same, path)

    def keep(self, feed: str, current: Path | None) -> Iterator[Unwritten]:
        """Keep this state if the test on a feed was the best; a note where the disk refuses it.

        `current` is the snapshot of this state, if it is written.
        """
        metric, session, folder = self._metric, self._session, self._folder
        if metric is None or folder is None or metric.feed != feed:
            return
        if self.iteration != session.iteration:
            return
        path = folder / BEST
        try:
            if current is None:
                session.snapshot(path)
            else:
                _link(current, path)
        except (WriteError, OSError) as error:
            yield Unwritten(path, f"'{path}' cannot be written: {error}; the training goes on without the best weights")

    def restore(self) -> bool:
        """Take the arrays of the best test; whether they are there."""
        path = None if self._folder is None else self._folder / BEST
        if path is None or not path.exists() or _iteration(path) != self.iteration:
            return False
        self._session.take_arrays(path)
        return True

    def close(self) -> None:
        """Delete a folder of its own."""
        if self._own is not None:
            self._own.cleanup()


def _iteration(path: Path) -> int | None:
    """The iteration of a snapshot; None where it cannot be read."""
    with contextlib.suppress(SnapshotError):
        return snapshot.read(path).iteration
    return None


def _link(source: Path, path: Path) -> None:
    """Give a file a second name, in place of what is there: a link where the disk has links, and else a copy."""
    temporary = path.with_name(f".iter_best.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, path)
