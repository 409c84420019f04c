"""Finding a learning rate: a short training whose rate grows by equal factors, and what its loss says.

The rate of iteration t of n is low * (high / low) ** (t / (n - 1)). The loss is smoothed by an exponential mean with
bias correction: s_t = 0.9 s_(t-1) + 0.1 loss_t, divided by 1 - 0.9 ** (t + 1). The sweep ends where that is four times
as far above its lowest value as the first loss was, or where a loss or gradient is not finite.
Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from typing import Any

from netspec.core.counts import Count
from netspec.core.errors import DivergedError, UsageError
from netspec.training.job import Job
from netspec.training.policies.exp import Exp
from netspec.training.session import Session
from netspec.training.watch import Watch

MOMENTUM = 0.9
"""Share of the smoothed loss before in the next."""


class NoRateToFindError(UsageError):
    """The solver type finds its steps by itself, so that a learning rate changes nothing; or the sweep has no room."""

    code = "NS835"


@dataclass(frozen=True)
class Point:
    """An iteration of a sweep: its rate, its loss, and the smoothed loss until then."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep, in the order of the rate; `diverged` says whether its end was a loss out of hand.

    `steps` are the iterations that were asked for, from `low` to `high`.
    """

    job: Job
    low: float
    high: float
    steps: int
    points: tuple[Point, ...]
    diverged: bool


def sweep(
    job: Job,
    low: float,
    high: float,
    steps: int,
    threads: int | None = None,
    told: Callable[[int], None] = lambda step: None,
) -> Sweep:
    """Train so many iterations while the rate grows from `low` to `high`; no file is written.

    Raises NoRateToFindError, DataError, SnapshotError.
    """
    if "base_lr" in type(job.spec.rule).unused:
        raise NoRateToFindError("this solver type finds the length of its steps by itself, and has no learning rate")
    if not low < high:
        raise NoRateToFindError(f"the sweep would go from {low:g} to {high:g}", help="--from must be below --to")
    session = Session(_swept(job, low, high, steps), threads)
    points: list[Point] = []
    try:
        session.load_own()
        diverged = _train(session, steps, points, told)
    finally:
        session.close()
    return Sweep(job, low, high, steps, tuple(points), diverged)


def _swept(job: Job, low: float, high: float, steps: int) -> Job:
    """The training of the sweep: TRAIN alone, with a rate that grows, and nothing to test, to keep or to show."""
    growing = Exp(gamma=(high / low) ** (1 / (steps - 1)))
    own: Mapping[str, Any] = {
        "base_lr": low,
        "lr_policy": growing,
        "warmup": None,
        "max_iter": steps,
        "max_epoch": None,
        "average": None,
        "test_average": False,
        "display": Count(0),
        "debug_info": False,
    }
    spec = job.spec.model_copy(update=dict(own))
    return replace(job, spec=spec, nets={"TRAIN": job.train}, watch=Watch(), tested={})


def _train(session: Session, steps: int, points: list[Point], told: Callable[[int], None]) -> bool:
    """Add the points of a sweep as they are trained; whether it diverged."""
    mean, lowest = 0.0, float("inf")
    for step in range(steps):
        rate = session.rate
        try:
            loss = session.step()
        except DivergedError:
            return True
        mean = MOMENTUM * mean + (1 - MOMENTUM) * loss
        smoothed = mean / (1 - MOMENTUM ** (step + 1))
        points.append(Point(rate, loss, smoothed))
        lowest = min(lowest, smoothed)
        first = median(point.loss for point in points[:10])
        if step >= 10 and not (isfinite(smoothed) and smoothed - lowest <= 4 * max(first - lowest, abs(first) / 4)):
            return True
        told(step + 1)
    return False
