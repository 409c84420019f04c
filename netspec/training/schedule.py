"""Job to Schedule: the learning rate of every iteration, and the iterations where it turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from netspec.core.counts import in_epochs
from netspec.core.errors import DataError, UsageError
from netspec.data.joined import open_any_feed
from netspec.training.course import Course
from netspec.training.events import Tested, recorded
from netspec.training.job import Job
from netspec.training.policies.plateau import Plateau
from netspec.training.runs import RunRecord
from netspec.training.scorelog import ScoreLog, Tests

MOST = 1_000_000
"""Most iterations of a training whose every rate is looked at, and most rows of an answer."""


@dataclass(frozen=True)
class Mark:
    """An iteration of a schedule, and a word on it."""

    iteration: int
    word: str


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a training."""

    job: Job
    course: Course

    def rate(self, iteration: int) -> float:
        """The rate of an iteration."""
        return self.job.spec.rate(iteration, self.course)

    @property
    def whole(self) -> bool:
        """Whether the training is short enough for a look at the rate of every iteration."""
        return self.course.end <= MOST

    @property
    def by_tests(self) -> bool:
        """Whether the rate depends on tests."""
        return isinstance(self.job.spec.lr_policy, Plateau)

    def epoch(self, iteration: int) -> float | None:
        """Epochs before an iteration; None where the length of the data is not known."""
        pace = self.course.pace
        return None if pace.epoch is None else iteration * pace.iteration / pace.epoch

    @cached_property
    def marks(self) -> list[Mark]:
        """The first iteration, the end of the warm-up, every step and turn of the rate, and the last iteration.

        In a training that is not `whole` nobody looks for steps and turns.
        """
        warmup, end = self.job.spec.warmup, self.course.end
        words: dict[int, str] = {}
        if self.whole:
            for mark in _turns([self.rate(iteration) for iteration in range(end)]):
                words.setdefault(mark.iteration, mark.word)
        if warmup is not None and (length := warmup.length.iterations(self.course.pace)) < end:
            words[length] = "end of warm-up"
        between = [Mark(iteration, words[iteration]) for iteration in sorted(words) if 0 < iteration < end - 1]
        return [Mark(0, "first"), *between, *([Mark(end - 1, "last")] if end > 1 else [])]


def _turns(rates: list[float]) -> Iterator[Mark]:
    """Where a rate steps, jumps, is highest or lowest; changes that rounding makes are none."""
    least = 1e-12 * max(rates)
    changes = [0.0, *(after - before for before, after in pairwise(rates)), 0.0]
    for i in range(1, len(rates)):
        before, here, after = changes[i - 1 : i + 2]
        if abs(here) > max(least, 20 * abs(before), 20 * abs(after)):
            yield Mark(i, "step" if before == after == 0 else "jump")
        elif before > least and here < -least:
            yield Mark(i - 1, "highest")
        elif before < -least and here > least:
            yield Mark(i - 1, "lowest")


def schedule(job: Job, tests: Tests = ()) -> Schedule:
    """The schedule of a job, with these tests, each its iteration and its scores by FEED/blob.

    The training data are opened for the length of an epoch. Where they are missing, and the rate does not depend on
    it, the schedule has no epochs. Raises DataError, UsageError for a solver type that has no rate.
    """
    if "lr_policy" in job.spec.rule.unused:
        name = type(job.spec.rule).__name__
        raise UsageError(f"the solver type {name} has no learning rate: a line search finds the length of each step")
    feed, spec, samples = job.spec.data.train, job.spec, None
    try:
        if feed is not None and job.train.graph.inputs:
            samples = len(open_any_feed(feed, "TRAIN", spec.random_seed, job.base, dtype=spec.dtype, train=feed))
    except DataError:
        if spec.max_epoch is not None or in_epochs((spec.lr_policy, spec.warmup)):
            raise
    return Schedule(job, job.course(samples, ScoreLog(tests)))


def of_run(job: Job, record: RunRecord) -> Schedule:
    """The schedule of a run's job, with the tests that the run has recorded. Raises DataError, UsageError."""
    return schedule(job, recorded(event for event in record.events if isinstance(event, Tested)))
