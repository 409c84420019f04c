"""The training loop: tests, steps and snapshots in Caffe's order. It yields events and prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path

from netspec.core.errors import DataError, DivergedError
from netspec.training import snapshot
from netspec.training.container import WriteError
from netspec.training.events import Display, Event, Finished, Snapshotted, Tested, Unwritten, Warned
from netspec.training.rules.base import FIRST
from netspec.training.session import Session
from netspec.training.tester import Tester, labelled, outputs


def solve(
    session: Session, folder: Path | None = None, stopping: Callable[[], str | None] = lambda: None
) -> Generator[Event | Warned | Unwritten, None, None]:
    """Train to the last iteration, or until `stopping` gives a reason; snapshots go to `folder`.

    `stopping` is asked between batches. An iteration that is stopped has changed nothing, and a test that is stopped
    has no event: a training that resumes from the snapshot repeats them. Warnings of the first iterations are yielded
    among the events. A snapshot on the way that the disk refuses is left out with a note; the last one is not. When
    data or numbers go bad, a snapshot of the last good state is written before the error is raised.

    Raises NotFiniteLossError, NotFiniteScoreError, DataError, WriteError.
    """
    from threadpoolctl import threadpool_limits

    def between() -> None:
        if reason := stopping():
            raise _Stopped(reason)

    session.between = between
    snapshots = _Snapshots(session, folder)
    begun = time.perf_counter()
    begin, stopped = session.iteration, None
    # more threads of NumPy's BLAS would compete with the kernels for cores
    blas = threadpool_limits(limits=1, user_api="blas")
    try:
        yield from _iterations(session, snapshots)
        if session.spec.snapshot_after_train or snapshots.refused:
            yield from snapshots.write()
        if session.test is not None:
            yield _tested(session, session.test)
    except _Stopped as reason:
        stopped = str(reason)
        yield from snapshots.write()
    except (DataError, DivergedError):
        # the state is that of the last iteration that went well; where it is not finite there is nothing to keep
        if session.iteration != begin:
            with suppress(DivergedError):
                yield from snapshots.write()
        raise
    finally:
        blas.restore_original_limits()
        session.close()
    yield Finished(session.iteration, stopped, time.perf_counter() - begun, session.waited)


class _Stopped(Exception):
    """Raised between two batches where there is a reason to stop, which is its text."""


class _Snapshots:
    """Writes the snapshots of a training, one at most of an iteration; none where there is no folder."""

    def __init__(self, session: Session, folder: Path | None) -> None:
        self._session, self._folder = session, folder
        begun = folder is not None and session.resumed == (folder / snapshot.name(session.iteration)).resolve()
        self._last = session.iteration if begun else -1
        self.refused = False
        """Whether the last snapshot on the way was refused."""

    def try_write(self) -> Iterator[Snapshotted | Unwritten]:
        """Write the snapshot of this iteration on the way; a note where the disk refuses it."""
        try:
            yield from self.write()
        except WriteError as error:
            self.refused = True
            path = (self._folder or Path()) / snapshot.name(self._session.iteration)
            yield Unwritten(path, f"{error.message}; the training goes on without this snapshot")

    def write(self) -> Iterator[Snapshotted]:
        """Write the snapshot of this iteration, if there is none yet. Raises WriteError."""
        session, folder = self._session, self._folder
        if folder is None or self._last == session.iteration:
            return
        path = folder / snapshot.name(session.iteration)
        session.snapshot(path)
        snapshot.prune(folder, session.spec.snapshot_keep)
        self._last, self.refused = session.iteration, False
        yield Snapshotted(session.iteration, path)


def _iterations(session: Session, snapshots: _Snapshots) -> Iterator[Event | Warned | Unwritten]:
    """Train to the last iteration, with the tests, displays, snapshots and warnings that are due on the way."""
    spec = session.spec
    seen, since = 0, time.perf_counter()
    while session.iteration < spec.max_iter:
        session.between()
        iteration = session.iteration
        due = spec.test_interval and iteration % spec.test_interval == 0 and (iteration > 0 or spec.test_initialization)
        if session.test is not None and due:
            yield _tested(session, session.test)
            since, seen = time.perf_counter(), 0
        rate = session.rate
        session.step()
        seen += 1
        if session.iteration == FIRST:
            yield from map(Warned, session.warnings())
        if spec.display and iteration % spec.display == 0:
            now = time.perf_counter()
            pace = seen / max(now - since, 1e-9)
            left = (spec.max_iter - session.iteration) / pace
            yield _display(session, iteration, rate, pace * session.batch * spec.iter_size, left)
            since, seen = time.perf_counter(), 0
        if spec.snapshot and session.iteration % spec.snapshot == 0:
            yield from snapshots.try_write()


def _tested(session: Session, tester: Tester) -> Tested:
    begun = time.perf_counter()
    means, samples = tester.run(session.between)
    session.tests.append((session.iteration, means))
    return Tested(session.iteration, means, samples, time.perf_counter() - begun)


def _display(session: Session, iteration: int, rate: float, speed: float, left: float) -> Display:
    values = labelled(outputs(session.train, session.scores))
    if not all(map(isfinite, values.values())):
        raise session.blame_score()
    return Display(iteration, session.loss, values, rate, float(session.train.norm[0]), speed, left)
