"""Outlook: all that a training does before its first iteration, and what it would do then. It writes no file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from netspec.core.errors import NetspecError
from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.training import runs, snapshot
from netspec.training.events import Loaded, Resumed, fed
from netspec.training.run import Training
from netspec.training.session import Session
from netspec.training.watch import interval_of


@dataclass(frozen=True)
class Outlook:
    """What a training would do, once it has been opened, compiled, loaded and judged.

    `tests` of each feed and `snapshots` are counted from `begin` to `last`; `kept` snapshots of `snapshot_bytes` bytes
    stay. `arena` and `params` are bytes: blobs, and params with gradients and history. `free` are bytes of the disk.
    """

    folder: Path
    begin: int
    last: int
    samples: int
    epoch: int | None
    tests: dict[str, int]
    snapshots: int
    kept: int
    snapshot_bytes: int
    free: int
    arena: int
    params: int
    threads: int
    data: Mapping[str, str]
    taken: Resumed | Loaded | None
    warnings: tuple[NetspecError, ...]

    def __str__(self) -> str:
        left = max(0, self.last - self.begin)
        rows = [str(self.taken)] if self.taken is not None else []
        rows += fed(self.data)
        epochs = f", {left * self.samples / self.epoch:.4g} epochs of {self.epoch:,} samples" if self.epoch else ""
        rows.append(f"{counted(left, 'iteration')} from {self.begin:,} to {self.last:,}{epochs}")
        rows += [f"{counted(number, 'test')} on {name}" for name, number in self.tests.items()]
        each, most = self.snapshot_bytes / 2**20, self.kept * self.snapshot_bytes / 2**20
        rows.append(
            f"{counted(self.snapshots, 'snapshot')} of {each:,.1f} MiB; {self.kept} stay: {most:,.1f} MiB of "
            f"{self.free / 2**20:,.0f} MiB that are free"
        )
        memory = (
            f"blobs {self.arena / 2**20:,.1f} MiB, params with gradients and history {self.params / 2**20:,.1f} MiB"
        )
        rows.append(f"{counted(self.threads, 'thread')}; {memory}")
        rows.append(f"run folder {self.folder}")
        loaded = ", weights loaded" if self.taken is not None else ""
        rows.append(f"dry run: data opened, kernels compiled, memory taken{loaded}")
        rows.append("nothing was trained, and no file written")
        return "\n".join(visible(line) for row in rows for line in row.split("\n"))


def outlook(training: Training) -> Outlook:
    """Do all that a training does before its first iteration, but for its folder, and foresee the rest.

    Raises what the training would raise there.
    """
    job, spec = training.job, training.job.spec
    runs.check_free(training.folder, training.resumed)
    session = Session(job, training.threads, computed=training.computed())
    try:
        for tester in dict.fromkeys(session.testers.values()):
            tester.prepare()
        taken = training.taken_up(session)
        begin, weights = session.iteration, session.train.weights
        last = begin if session.over else session.last
        snapshots = _snapshots(session, begin, last)
        arrays = chain(weights.whole.values(), *(slots.values() for slots in weights.history))
        return Outlook(
            training.folder,
            begin,
            last,
            session.batch * spec.iter_size,
            None if session.feed is None else len(session.feed),
            _tests(session, begin, last),
            snapshots,
            min(spec.snapshot_keep, snapshots),
            snapshot.size(session.state()),
            shutil.disk_usage(_there(training.folder)).free,
            session.train.plan.arena + session.train.plan.fixed_bytes,
            2 * sum(array.nbytes for array in weights.data) + sum(array.nbytes for array in arrays),
            session.threads,
            {name: feed.describe() for name, feed in session.feeds.items()},
            taken,
            tuple(session.warnings()),
        )
    finally:
        session.close()


def _snapshots(session: Session, begin: int, last: int) -> int:
    """The snapshots on the way and at the end."""
    every, pace = session.spec.snapshot, session.pace
    at_end = session.spec.snapshot_after_train and begin < last and not (every and every.ends(last, pace))
    return (every.endings(begin + 1, last, pace) if every else 0) + at_end


def _tests(session: Session, begin: int, last: int) -> dict[str, int]:
    """The tests of each feed, on the way and at the end."""
    found, spec = {}, session.spec
    for name in session.testers:
        every = interval_of(spec, name)
        first = begin if spec.test_initialization else max(begin, 1)
        at_end = 1 if not spec.like_caffe or (every and every.ends(last, session.pace)) else 0
        found[name] = (every.endings(first, last - 1, session.pace) if every else 0) + at_end
    return found


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    path = Path(os.path.abspath(folder))
    return next(each for each in (path, *path.parents) if each.is_dir())
