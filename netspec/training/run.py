"""Runs a training in its run folder, from the lock to the last event; and tests weights. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from netspec.core.errors import NetspecError, UsageError
from netspec.training import folders, runs
from netspec.training.events import Event, Loaded, Note, Opened, Progress, Resumed, Started, Unwritten, Warned
from netspec.training.feeds import open_named
from netspec.training.job import Job, trained_keys
from netspec.training.loading import load
from netspec.training.session import Session
from netspec.training.solve import solve
from netspec.training.tester import Tester


def run(
    job: Job,
    folder: str | Path | None = None,
    *,
    resume: bool | str | Path = False,
    weights: str | Path | None = None,
    threads: int | None = None,
    stopping: Callable[[], str | None] = lambda: None,
) -> Training:
    """Train a job in a folder (by default the next of runs/NAME-1, runs/NAME-2, ...), event by event.

    `resume` is the snapshot to resume from; True is the folder's latest snapshot. `weights` is a
    file of weights to start from, in place of the solver's own. `stopping` is asked between batches for a reason to
    stop. Raises NoRunError.
    """
    begin = resume if isinstance(resume, bool) else Path(resume)
    path, snapshot = folders.places(job.name, None if folder is None else Path(folder), begin)
    own = None if weights is None else Path(weights)
    chosen = folder is None and not path.exists()
    return Training(job, path, snapshot, begin is not False, own, threads, stopping, chosen)


@dataclass(eq=False, repr=False)
class Training:
    """A training in its run folder: an iterator of notes and events, each recorded in the folder before it is yielded.

    Work begins with the first `next`. From then on the folder is locked, until the training ends, raises or is closed.
    A folder that was `chosen` as the next that is free may be another then: two that start together get one each.
    Raises FolderInUseError, FolderTakenError, WriteError, SnapshotError, DataError, NotFiniteLossError,
    NotFiniteScoreError.
    """

    job: Job
    folder: Path
    snapshot: Path | None
    resumed: bool
    weights: Path | None
    threads: int | None
    stopping: Callable[[], str | None]
    chosen: bool = False

    def __post_init__(self) -> None:
        self._session: Session | None = None
        self._events = self._recorded()

    def __iter__(self) -> Iterator[Note | Event]:
        return self

    def __next__(self) -> Note | Event:
        return next(self._events)

    def close(self) -> None:
        """End the training where it is, without a snapshot, and unlock the folder."""
        self._events.close()

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def progress(self) -> Progress:
        """How far the training is; may be read at any moment."""
        if self._session is None:
            return Progress(0, self.job.last(None) or 0, float("nan"), float("nan"), 0)
        return self._session.progress

    def _recorded(self) -> Generator[Note | Event, None, None]:
        """Yield every note and event after it is recorded; an error is logged last and raised."""
        if self.chosen:
            self.folder = folders.claimed_folder(self.job.name)
        folder = runs.RunFolder(self.folder, self.resumed)
        try:
            net = self.job.train
            macs = net.total_macs // max(1, net.batch)
            yield Opened(self.folder, self.job.net.name, net.total_params, macs, net.unit)
            session = self._session = Session(self.job, self.threads)
            if session.test is not None:
                session.test.prepare()
            for note in self._begun(session, folder):
                _log(note, folder)
                yield note
            with closing(solve(session, folder.snapshots, self.stopping, lambda: folder.elapsed)) as events:
                for event in events:
                    if isinstance(event, Warned | Unwritten):
                        _log(event, folder)
                    else:
                        event = replace(event, elapsed=folder.elapsed)
                        folder.record(event)
                    yield event
                    yield from folder.refusals()
            folder.finish()
        except NetspecError as error:
            folder.log(str(error))
            raise
        finally:
            folder.close()

    def _begun(self, session: Session, folder: runs.RunFolder) -> list[Note]:
        """Restore a snapshot or load weights, open the folder's files, and judge; the notes on all of it."""

        taken = self._taken_up(session)
        feeds = [feed.describe() for feed in session.feeds.values()]
        folder.begin(session, feeds)
        arena = session.train.plan.arena
        started = Started(session.iteration, tuple(feeds), session.threads, session.seed, arena, self.folder)
        warned = [Warned(warning) for warning in session.warnings()]
        return [*([taken] if taken else []), *warned, started]

    def _taken_up(self, session: Session) -> Note | None:
        """Restore the snapshot or load the weights to start from; the note on it. Raises SnapshotError."""
        if self.snapshot is not None:
            changed = session.restore(self.snapshot)
            return Resumed(self.snapshot, session.iteration, tuple(changed), session.last)
        if self.weights is not None:
            return Loaded(self.weights, session.load(self.weights))
        own = session.load_own()
        return None if own is None else Loaded(*own)


def _log(note: Note, folder: runs.RunFolder) -> None:
    """Write a note to the log of a run, line by line."""
    for line in str(note).split("\n"):
        folder.log(line)


def load_tester(job: Job, weights: Path, threads: int | None = None, on: str = "test") -> tuple[Tester, Loaded]:
    """A Tester of the weights in a file on a feed, and the note that tells which params were loaded.

    It reads the data of that feed only, and the job may be loaded for TEST alone.

    Raises UsageError where the job has no such data, SnapshotError, DataError.
    """
    from netspec.codegen import driver

    job.phase("TEST")  # raises before anything is compiled
    _check_there(job, on)
    driver.limit_threads(threads)
    seed = job.spec.random_seed
    tester = Tester(job, {on: open_named(job, on, "TEST", seed)}, None, seed)
    return tester, Loaded(weights, load(tester.shaped, tester.weights, weights, trained_keys(job)))


def _check_there(job: Job, on: str) -> None:
    """Raise UsageError where a job has no feed of a name; a net with its own data is tested on `test`."""
    data = job.spec.data
    there = [*(["train"] if data.train else []), *data.scored] if job.phase("TEST").graph.inputs else ["test"]
    if on not in there:
        help = f"say --on {there[0]}" if len(there) == 1 else f"say --on, and one of: {', '.join(there)}"
        raise UsageError(f"there are no data called '{on}' to test on", help=help)
