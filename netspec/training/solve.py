"""The training loop: tests, steps and snapshots in Caffe's order. It yields events and prints nothing.

Unlike in Caffe, every test begins with the first sample of its data, the trained net is tested whatever the interval,
there is no progress line after the last iteration, and a training that resumes goes on with its mean of losses. With
`loop: caffe` the first two are as in Caffe, whose last progress line costs one more forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path

from netspec.core import blas
from netspec.core.errors import DataError, DivergedError
from netspec.training.budgets import Budgets
from netspec.training.caffe_keeping import CaffeSnapshots
from netspec.training.events import Display, Event, Finished, Tested, Unwritten, Warned
from netspec.training.keeping import BestWeights, Snapshots
from netspec.training.rules.base import FIRST
from netspec.training.session import Session
from netspec.training.snapshot import BEST
from netspec.training.tester import labelled, outputs
from netspec.training.watch import Stop, feed_of, interval_of

Events = Iterator[Event | Warned | Unwritten]


def solve(
    session: Session,
    folder: Path | None = None,
    stopping: Callable[[], str | None] = lambda: None,
    elapsed: Callable[[], float] | None = None,
    snapshot_asked: Callable[[], bool] = lambda: False,
    snapshots: Snapshots | CaffeSnapshots | None = None,
) -> Generator[Event | Warned | Unwritten, None, None]:
    """Train to the last iteration or an early stop, or until `stopping` or a budget gives a reason.

    Snapshots go to `folder`, or where `snapshots` writes them. `stopping` is asked between batches. An iteration that
    is stopped has changed nothing, and a test that is stopped has no event: a training that resumes from the snapshot
    repeats them. `elapsed` gives the seconds of training that count for `max_time`, by default those since the call.
    `snapshot_asked` tells after each iteration whether a snapshot is wanted now. Warnings of the first iterations are
    yielded among the events. A snapshot on the way that the disk refuses is left out with a note; the last one is not.
    When data or numbers go bad, a snapshot of the last good state is written before the error is raised.

    Raises NotFiniteLossError, NotFiniteScoreError, DataError, WriteError.
    """
    begun = time.perf_counter()
    budgets = Budgets(session.spec, elapsed or (lambda: time.perf_counter() - begun))

    def between() -> None:
        if reason := stopping() or budgets.used_up():
            raise _Stopped(reason)

    session.between = between
    loop = _Loop(session, folder, snapshots or Snapshots(session, folder), snapshot_asked)
    begin, stopped = session.iteration, None
    # more threads of NumPy's BLAS would compete with the kernels for cores
    limited = blas.single_threaded()
    try:
        yield from loop.train()
        yield from loop.end()
    except _Stopped as reason:
        stopped = str(reason)
        yield from loop.snapshots.write()
    except (DataError, DivergedError):
        # the state is that of the last iteration that went well; where it is not finite there is nothing to keep
        if session.iteration != begin:
            with suppress(DivergedError):
                yield from loop.snapshots.try_write()
        raise
    finally:
        limited.restore_original_limits()
        session.close()
        loop.best.close()
    seconds, epoch = time.perf_counter() - begun, session.epoch(session.iteration)
    yield Finished(session.iteration, stopped, seconds, session.waited, loop.early(), epoch=epoch)


class _Stopped(Exception):
    """Raised between two batches where there is a reason to stop, which is its text."""


class _Loop:
    """The iterations of a training and its end, with the tests, displays, snapshots and warnings that are due."""

    def __init__(
        self,
        session: Session,
        folder: Path | None,
        snapshots: Snapshots | CaffeSnapshots,
        snapshot_asked: Callable[[], bool],
    ) -> None:
        self.session, self._snapshot_asked = session, snapshot_asked
        self.snapshots, self.best = snapshots, BestWeights(session, folder)
        self._names = tuple(session.testers)
        self._finished = session.over  # a run that is resumed after its early stop has nothing left to do
        stop = session.watch.stop
        self._restored = self._finished and stop is not None and stop.restore

    def early(self) -> str | None:
        """Why the training ended early, if it did."""
        session = self.session
        stop = session.watch.stop
        if stop is None or not session.over:
            return None
        return stop.why(session.tests) + ", whose weights are restored" * self._restored

    def train(self) -> Events:
        """Train to the last iteration or the early stop."""
        session, spec = self.session, self.session.spec
        seen, since = 0, time.perf_counter()
        while session.iteration < session.last and not session.over:
            session.between()
            iteration = session.iteration
            if tests := due(session, iteration):
                yield from self._tests(tests)
                since, seen = time.perf_counter(), 0
                session.over = session.watch.over(session.tests)
                if session.over:
                    return
            rate, debugging = session.rate, session.debugging if spec.debugs(iteration, session.pace) else None
            if debugging is not None:
                debugging.begin(iteration)
            session.step()
            seen += 1
            if session.iteration == FIRST:
                yield from map(Warned, session.warnings())
            if spec.display and spec.display.ends(iteration, session.pace):
                now = time.perf_counter()
                pace = seen / max(now - since, 1e-9)
                yield _display(session, iteration, rate, pace)
                since, seen = time.perf_counter(), 0
            if debugging is not None:
                begun = time.perf_counter()
                yield session.debug_info()
                since += time.perf_counter() - begun
            asked = self._snapshot_asked()
            if asked or (spec.snapshot and spec.snapshot.ends(session.iteration, session.pace)):
                yield from self.snapshots.try_write()

    def _tests(self, feeds: list[str]) -> Events:
        """Test on feeds, and keep the weights where a test was the best."""
        session = self.session
        for feed in feeds:
            event = tested(session, feed)
            yield from self.best.keep(feed, self.snapshots.current)
            yield event

    def end(self) -> Events:
        """The last snapshot, and the tests of the trained net."""
        session = self.session
        if session.watch.stop is not None and session.over:
            yield from self._end_early(session.watch.stop)
            return
        yield from self._last_snapshot()
        if session.spec.like_caffe:
            yield from self._end_like_caffe()
        else:
            yield from self._tests(list(self._names))

    def _end_like_caffe(self) -> Events:
        """Where an interval ends with the training, one more forward for the progress line, and the tests."""
        session, spec = self.session, self.session.spec
        if spec.display and spec.display.ends(session.iteration, session.pace):
            session.take_batch()
            session.train.forward()
        if session.iteration or spec.test_initialization:
            yield from self._tests(due(session, session.iteration))

    def _end_early(self, stop: Stop) -> Events:
        """Restore the best weights, test them where they are not tested yet, and write the last snapshot.

        The snapshot comes last: it holds the tests that ended the training, so that one that resumes knows of the end.
        Where it was stopped between these tests, it resumes with those that are left.
        """
        session = self.session
        if stop.restore and not self._finished:
            self._restored = self.best.restore()
            if not self._restored:
                yield Unwritten(Path(BEST), "the weights of the best test are gone, so that the last ones stay")
            elif self.best.iteration != session.iteration:  # the tests on the other feeds were of other weights
                session.forget(lambda feed: feed != stop.metric.feed)
        there = {feed_of(scores) for iteration, scores in session.tests if iteration == session.iteration}
        left = [name for name in self._names if name not in there]
        yield from self._tests(left)
        if left or not self._finished:
            yield from self._last_snapshot(anew=True)

    def _last_snapshot(self, anew: bool = False) -> Events:
        """The snapshot after the training, where the solver wants it or the one before was refused."""
        if self.session.spec.snapshot_after_train or self.snapshots.refused:
            yield from self.snapshots.write(anew)


def due(session: Session, iteration: int) -> list[str]:
    """The names of the tests that are due before an iteration."""
    if iteration == 0 and not session.spec.test_initialization:
        return []
    intervals = {name: interval_of(session.spec, name) for name in session.testers}
    return [name for name, every in intervals.items() if every and every.ends(iteration, session.pace)]


def tested(session: Session, feed: str) -> Tested:
    """Make the test of a name, and record its scalar scores."""
    tester, begun = session.testers[feed], time.perf_counter()
    means, samples = tester.run(feed, session.between)
    session.record(feed, {name: means[name] for name in tester.scalars if name in means})
    epoch = session.epoch(session.iteration)
    return Tested(session.iteration, means, samples, time.perf_counter() - begun, feed=feed, epoch=epoch)


def _display(session: Session, iteration: int, rate: float, pace: float) -> Display:
    """A progress line at a pace in iterations a second."""
    values = labelled(outputs(session.train, session.scores))
    if not all(map(isfinite, values.values())):
        raise session.blame_score()
    norm, speed = float(session.train.norm[0]), pace * session.batch * session.spec.iter_size
    left = (session.last - session.iteration) / pace
    return Display(iteration, session.loss, values, rate, norm, speed, left, epoch=session.epoch(iteration))
