"""Keeping: the snapshot files of a training, those on the way and that of the best test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from netspec.core.errors import SnapshotError
from netspec.core.outputs import WriteError
from netspec.training import snapshot
from netspec.training.events import Snapshotted, Unwritten
from netspec.training.folders import writable
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
            yield Unwritten(path, f"{error.message}; there is no snapshot of iteration {self._session.iteration}")

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

    Which test is the best follows from the recorded tests alone. A training that resumes may know fewer tests than the
    file: where a better test comes, the file of the best test before the last snapshot stays, in REPLACED.
    """

    def __init__(self, session: Session, folder: Path | None) -> None:
        self._session, self._metric = session, session.watch.best
        self._own = TemporaryDirectory(prefix="netspec") if folder is None and self._restores else None
        self._folder = folder if self._own is None else Path(self._own.name)
        self._kept: int | None = None
        """The iteration of the file, where it is that of the best test."""
        if self._metric is not None and self._folder is not None:
            with writable(self._folder):
                self._settle(self._folder)

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
        """Put the file of the best test in its place, if it is anywhere; a file that is not of that test is set aside.

        What is set aside has the name of the snapshot that it is, so that it takes no other file's place.
        """
        path, wanted = folder / BEST, self.iteration
        if not self._is_of(path, wanted):
            if path.exists():
                (folder / REPLACED).mkdir(exist_ok=True)
                os.replace(path, folder / REPLACED / _own_name(path))
            found = None if wanted is None else self._found(folder, wanted)
            if found is None:
                return
            _link(found, path)
        self._kept = wanted

    def _found(self, folder: Path, wanted: int) -> Path | None:
        """The file of the best test, in this folder of snapshots or in that of the snapshot that the session is of."""
        resumed = self._session.resumed
        homes = dict.fromkeys((folder, *([resumed.parent] if resumed is not None else ())))
        there = (home / name for home in homes for name in (snapshot.name(wanted), BEST, Path(REPLACED, BEST)))
        return next((path for path in there if self._is_of(path, wanted)), None)

    def _is_of(self, path: Path, wanted: int | None) -> bool:
        """Whether a file is this training's state of an iteration: it holds the tests before it that are recorded."""
        with contextlib.suppress(SnapshotError):
            state = snapshot.read(path)
            before = [test for test in self._session.tests if wanted is not None and test[0] < wanted]
            return state.iteration == wanted is not None and list(state.tests) == before
        return False

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
            self._spare(folder)
            if current is None:
                session.snapshot(path)
            else:
                _link(current, path)
            self._kept = session.iteration
        except (WriteError, OSError) as error:
            yield Unwritten(path, f"'{path}' cannot be written: {error}; the training goes on without the best weights")

    def _spare(self, folder: Path) -> None:
        """Move the file out of the way of a better one, if a training that resumes from the last snapshot needs it."""
        last = snapshot.latest(folder)
        if self._kept is not None and last is not None and self._kept < snapshot.number(last):
            (folder / REPLACED).mkdir(exist_ok=True)
            os.replace(folder / BEST, folder / REPLACED / BEST)
        self._kept = None

    def restore(self) -> bool:
        """Take the arrays of the best test; whether they are there."""
        if self._folder is None or self._kept is None or not (self._folder / BEST).exists():
            return False
        self._session.take_arrays(self._folder / BEST)
        return True

    def close(self) -> None:
        """Delete a folder of its own."""
        if self._own is not None:
            self._own.cleanup()


def _own_name(path: Path) -> str:
    """The name that a file has as a snapshot of its iteration; its own where it cannot be read."""
    with contextlib.suppress(SnapshotError):
        if (iteration := snapshot.read(path).iteration) is not None:
            return snapshot.name(iteration)
    return f"{path.stem}.damaged{path.suffix}"


def _link(source: Path, path: Path) -> None:
    """Give a file a second name, in place of what is there: a link where the disk has links, and else a copy."""
    temporary = path.with_name(f".iter_best.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, path)
