"""Runs a training in its run folder, from the lock to the last event; and tests weights. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from netspec.core.errors import NetspecError, UsageError
from netspec.data.computed import Computed, in_folder
from netspec.training import folders, runs, snapshot
from netspec.training.caffe_weights import is_state
from netspec.training.container import UnreadableSnapshotError
from netspec.training.events import (
    Event,
    Loaded,
    Note,
    Opened,
    Progress,
    Resumed,
    Started,
    Unwritten,
    Warned,
    best_text,
)
from netspec.training.feeds import check_alike, open_named
from netspec.training.job import Job, trained_keys
from netspec.training.loading import load
from netspec.training.reading import read
from netspec.training.session import Session
from netspec.training.solve import solve
from netspec.training.tensorboard import ask_for_library
from netspec.training.tester import Tester


def run(
    job: Job,
    folder: str | Path | None = None,
    *,
    resume: bool | str | Path = False,
    weights: str | Path | Sequence[str | Path] = (),
    threads: int | None = None,
    stopping: Callable[[], str | None] = lambda: None,
    snapshot_asked: Callable[[], bool] = lambda: False,
) -> Training:
    """Train a job in a folder (by default the next of runs/NAME-1, runs/NAME-2, ...), event by event.

    `resume` is the snapshot to resume from; True is the folder's latest snapshot. `weights` are files to start from in
    place of the solver's own, later ones over earlier. `stopping` is asked between batches for a reason to stop, and
    `snapshot_asked` after each iteration whether to write a snapshot. Raises NoRunError.
    """
    begin = resume if isinstance(resume, bool) else Path(resume)
    path, begun = folders.places(job.name, None if folder is None else Path(folder), begin)
    own = [weights] if isinstance(weights, str | Path) else weights
    chosen = folder is None and not path.exists()
    return Training(
        job, path, begun, begin is not False, tuple(map(Path, own)), threads, stopping, snapshot_asked, chosen
    )


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
    weights: tuple[Path, ...]
    threads: int | None
    stopping: Callable[[], str | None]
    snapshot_asked: Callable[[], bool]
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

    @property
    def best(self) -> tuple[int, float] | None:
        """The best test so far, by the score that the training is judged by: its iteration, and its score."""
        metric = self.job.watch.metric
        return metric.best(self._session.tests) if metric and self._session else None

    def computed(self) -> Computed:
        """What the snapshot to resume from holds that was computed over training data. Raises SnapshotError."""
        if self.snapshot is None or is_state(self.snapshot):
            return Computed()
        try:
            return Computed(read(self.snapshot).computed)
        except UnreadableSnapshotError as error:
            raise error.changed(help=_another(self.snapshot) or error.help) from None

    def _recorded(self) -> Generator[Note | Event, None, None]:
        """Yield every note and event after it is recorded; an error is logged last and raised."""
        ask_for_library(self.job.spec)
        if self.chosen:
            self.folder = folders.claimed_folder(self.job.name)
        folder = runs.RunFolder(self.folder, self.resumed)
        try:
            net = self.job.train
            macs = net.total_macs // max(1, net.batch)
            yield Opened(self.folder, self.job.net.name, net.total_params, macs, net.unit)
            session = self._session = Session(self.job, self.threads, computed=self.computed())
            for tester in dict.fromkeys(session.testers.values()):
                tester.prepare()
            for note in self._begun(session, folder):
                _log(note, folder)
                yield note
            asked = (self.stopping, lambda: folder.elapsed, self.snapshot_asked)
            with closing(solve(session, folder.snapshots, *asked)) as events:
                for event in events:
                    if isinstance(event, Warned | Unwritten):
                        _log(event, folder)
                    else:
                        event = replace(event, elapsed=folder.elapsed)
                        folder.record(event)
                    yield event
                    yield from folder.refusals()
            if (best := self.best) and (metric := self.job.watch.metric):
                folder.log(best_text(metric.name, best[1], best[0], session.epoch(best[0])))
            folder.finish()
        except NetspecError as error:
            folder.log(str(error))
            raise
        finally:
            folder.close()

    def _begun(self, session: Session, folder: runs.RunFolder) -> list[Note]:
        """Restore a snapshot or load weights, open the folder's files, and judge; the notes on all of it."""

        taken = self.taken_up(session)
        data = {name: feed.describe() for name, feed in session.feeds.items()}
        folder.begin(session, list(data.values()))
        arena = session.train.plan.arena
        started = Started(session.iteration, data, session.threads, session.seed, arena, self.folder)
        warned = [Warned(warning) for warning in session.warnings()]
        return [*([taken] if taken else []), *warned, started]

    def taken_up(self, session: Session) -> Resumed | Loaded | None:
        """Restore the snapshot or load the weights to start from; the note on it. Raises SnapshotError."""
        if self.snapshot is not None:
            try:
                changed = session.restore(self.snapshot)
            except UnreadableSnapshotError as error:
                raise error.changed(help=_another(self.snapshot) or error.help) from None
            last = session.iteration if session.over else session.last
            return Resumed(self.snapshot, session.iteration, changed, last)
        own = session.load_own(self.weights)
        return None if own is None else Loaded(*own)


def _another(broken: Path) -> str | None:
    """Help where a snapshot cannot be read: the last one before it in its folder."""
    there = snapshot.listing(broken.parent)
    before = there[: there.index(broken)] if broken in there else []
    return f"the one before may be whole: say --resume {before[-1]}" if before else None


def _log(note: Note, folder: runs.RunFolder) -> None:
    """Write a note to the log of a run, line by line."""
    for line in str(note).split("\n"):
        folder.log(line)


def load_tester(
    job: Job,
    weights: Path,
    threads: int | None = None,
    on: str = "test",
    average: str | None = None,
    judged: bool = False,
) -> tuple[Tester, Loaded]:
    """A Tester of the weights in a file, or of an average of them, on a feed; and the note on which params were loaded.

    It reads the data of that feed only, and the job may be loaded for TEST alone: what was computed over training data
    comes from the file, or else from the run folder of the job. `judged` keeps what heads read.

    Raises UsageError where the job has no such data, SnapshotError, DataError.
    """
    from netspec.codegen import driver

    job.phase("TEST")  # raises before anything is compiled
    _check_there(job, on)
    job = job.tested.get(on, job)
    driver.limit_threads(threads)
    seed = job.spec.random_seed
    own = in_folder(job.base / folders.COMPUTED) if folders.holds(job.base) else {}
    state = read(weights)
    feed = open_named(job, on, "TEST", seed, Computed(own | state.computed))
    if feed is not None:
        check_alike(job, on, feed, state.data)
    tester = Tester(job, {on: feed}, None, seed, judged=judged)
    report = load(tester.shaped, tester.weights, weights, trained_keys(job), average)
    return tester, Loaded((weights,), report, average)


def _check_there(job: Job, on: str) -> None:
    """Raise UsageError where a job has no feed of a name; a net with its own data is tested on `test`."""
    data = job.spec.data
    there = [*(["train"] if data.train else []), *data.scored] if job.phase("TEST").graph.inputs else ["test"]
    there = list(job.tested) or there
    if on not in there:
        help = f"say --on {there[0]}" if len(there) == 1 else f"say --on, and one of: {', '.join(there)}"
        raise UsageError(f"there are no data called '{on}' to test on", help=help)
