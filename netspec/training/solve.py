"""The training loop: tests, steps and snapshots in Caffe's order. It yields events and prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from math import isfinite
from pathlib import Path

from netspec.core.errors import DataError, DivergedError
from netspec.training import snapshot
from netspec.training.events import Display, Event, Finished, Snapshotted, Tested, Warned
from netspec.training.rules.base import FIRST
from netspec.training.session import Session
from netspec.training.tester import Tester, labelled, outputs


def solve(
    session: Session, folder: Path | None = None, stopping: Callable[[], str | None] = lambda: None
) -> Generator[Event | Warned, None, None]:
    """Train to the last iteration, or until `stopping` gives a reason; snapshots go to `folder`.

    Warnings of the first iterations are yielded among the events. When data or numbers go bad, a snapshot of the last
    good state is written before the error is raised.

    Raises NotFiniteLossError, NotFiniteScoreError, DataError, WriteError.
    """
    from threadpoolctl import threadpool_limits

    spec = session.spec
    begun = time.perf_counter()
    seen, since = 0, begun
    begin, written = session.iteration, -1
    if folder is not None and session.resumed == (folder / snapshot.name(session.iteration)).resolve():
        written = session.iteration
    # more threads of NumPy's BLAS would compete with the kernels for cores
    blas = threadpool_limits(limits=1, user_api="blas")
    try:
        while session.iteration < spec.max_iter and not stopping():
            iteration = session.iteration
            due = (
                spec.test_interval
                and iteration % spec.test_interval == 0
                and (iteration > 0 or spec.test_initialization)
            )
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
            if folder is not None and spec.snapshot and session.iteration % spec.snapshot == 0:
                yield _snapshotted(session, folder)
                written = session.iteration
        stopped = stopping()
        wanted = stopped is not None or spec.snapshot_after_train
        if folder is not None and wanted and written != session.iteration:
            yield _snapshotted(session, folder)
        if session.test is not None and stopped is None:
            yield _tested(session, session.test)
    except (DataError, DivergedError):
        # the state is that of the last iteration that went well; where it is not finite there is nothing to keep
        if folder is not None and session.iteration not in {begin, written}:
            with suppress(DivergedError):
                yield _snapshotted(session, folder)
        raise
    finally:
        blas.restore_original_limits()
        session.close()
    yield Finished(session.iteration, stopped, time.perf_counter() - begun, session.waited)


def _tested(session: Session, tester: Tester) -> Tested:
    begun = time.perf_counter()
    means, samples = tester.run()
    return Tested(session.iteration, means, samples, time.perf_counter() - begun)


def _display(session: Session, iteration: int, rate: float, speed: float, left: float) -> Display:
    values = labelled(outputs(session.train, session.scores))
    if not all(map(isfinite, values.values())):
        raise session.blame_score()
    return Display(iteration, session.loss, values, rate, float(session.train.norm[0]), speed, left)


def _snapshotted(session: Session, folder: Path) -> Snapshotted:
    path = folder / snapshot.name(session.iteration)
    session.snapshot(path)
    snapshot.prune(folder, session.spec.snapshot_keep)
    return Snapshotted(session.iteration, path)
