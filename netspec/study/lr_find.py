"""Finding a learning rate: a short training whose rate grows by equal factors, and what its loss says.

The rate of iteration t of n is low * (high / low) ** (t / (n - 1)). The loss is smoothed by an exponential mean with
bias correction: s_t = 0.9 s_(t-1) + 0.1 loss_t, divided by 1 - 0.9 ** (t + 1). The sweep ends where that is four times
as far above its lowest value as the first loss was, or where a loss or gradient is not finite. The rate of a single
sweep depends on its seed, by half to twice, so that several are made, and the middle one counts.
Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from statistics import median
from typing import Any

from netspec.core.counts import Count
from netspec.core.errors import CheckFailed, DivergedError, UsageError
from netspec.training.curve import noise
from netspec.training.job import Job
from netspec.training.policies.exp import Exp
from netspec.training.session import Session
from netspec.training.watch import Watch

MOMENTUM = 0.9
"""Share of the smoothed loss before in the next."""
SETTLED = 10
"""Points after which the smoothed loss means something."""
FALL = 0.95
"""The part of its fall after which a loss is at its knee."""
SAFE = 10.0
"""How many times the rate at which a loss gets out of hand is above the highest that is suggested."""
FLAT, SPREAD = 0.02, 2.0
"""A curve is flat that falls by less than this part of the first loss, or than this many deviations of its noise."""


class NoRateToFindError(UsageError):
    """The solver type finds its steps by itself, so that a learning rate changes nothing; or the sweep has no room."""

    code = "NS835"


class NoRateError(CheckFailed):
    """A sweep of learning rates shows none that trains the net."""

    code = "NS836"


@dataclass(frozen=True)
class Point:
    """An iteration of a sweep: its rate, its loss, and the smoothed loss until then."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep, in the order of the rate; `diverged` says whether its end was a loss out of hand.

    `steps` are the iterations that were asked for, from `low` to `high`. `job` is that of the sweep, with its seed.
    """

    job: Job
    low: float
    high: float
    steps: int
    points: tuple[Point, ...]
    diverged: bool

    @cached_property
    def first(self) -> float:
        """The loss at the beginning, where the rate is too low to change it: a median."""
        return median(point.loss for point in self.points[:SETTLED])

    @cached_property
    def lowest(self) -> Point | None:
        """The point of the lowest smoothed loss; None where the sweep broke off before it meant anything."""
        return min(self.points[SETTLED:], key=lambda point: point.smoothed, default=None)

    @cached_property
    def fault(self) -> str | None:
        """Why the sweep suggests no rate; None where it does."""
        lowest, last = self.lowest, self.points[-1] if self.points else None
        if lowest is None or last is None:
            return f"the loss was out of hand after {len(self.points)} iterations, at the lowest rates already"
        jumps = SPREAD * noise([point.loss for point in self.points[: len(self.points) // 2]])
        if self.first - lowest.smoothed < max(FLAT * abs(self.first), jumps):
            return f"the curve is flat: the loss began at {self.first:.4g}, and was never below {lowest.smoothed:.4g}"
        if not self.diverged and lowest.rate > last.rate / 2:
            return f"the loss still falls at the highest rate, {last.rate:.3g}"
        return None

    @cached_property
    def knee(self) -> float | None:
        """The rate by which the smoothed loss had made most of its fall; None where there is a fault."""
        if self.fault or self.lowest is None:
            return None
        goal = self.first - FALL * (self.first - self.lowest.smoothed)
        return next(point.rate for point in self.points[SETTLED:] if point.smoothed <= goal)

    @cached_property
    def limit(self) -> float | None:
        """The rate at which the loss got out of hand; None where it did not."""
        return self.points[-1].rate if self.diverged and self.points else None

    @cached_property
    def suggestion(self) -> float | None:
        """The rate of the knee, but no more than a tenth of the limit; None where there is a fault."""
        return self.knee if self.knee is None or self.limit is None else min(self.knee, self.limit / SAFE)


@dataclass(frozen=True)
class Search:
    """Sweeps that differ in their seed alone."""

    sweeps: tuple[Sweep, ...]

    @cached_property
    def typical(self) -> Sweep:
        """The sweep of the middle rate, of two the more careful one; where half suggest none, the first of these."""
        silent = [one for one in self.sweeps if one.suggestion is None]
        if 2 * len(silent) >= len(self.sweeps):
            return silent[0]
        rates = self.rates
        return next(one for one in self.sweeps if one.suggestion == rates[(len(rates) - 1) // 2])

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """The rates that sweeps suggest, the lowest first."""
        return tuple(sorted(one.suggestion for one in self.sweeps if one.suggestion is not None))

    @property
    def suggestion(self) -> float | None:
        """The rate of the typical sweep; None where there is a fault."""
        return self.typical.suggestion

    @property
    def fault(self) -> str | None:
        """Why no rate is suggested; None where one is."""
        return self.typical.fault


def search(job: Job, low: float, high: float, steps: int, sweeps: int = 3, threads: int | None = None) -> Search:
    """So many sweeps with the solver's seed and those that follow it. Raises what `sweep` raises."""

    def one(number: int) -> Sweep:
        seed = (job.spec.random_seed + number) % 2**63
        return sweep(replace(job, spec=job.spec.model_copy(update={"random_seed": seed})), low, high, steps, threads)

    return Search(tuple(map(one, range(sweeps))))


def sweep(job: Job, low: float, high: float, steps: int, threads: int | None = None) -> Sweep:
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
        diverged = _train(session, steps, points)
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


def _train(session: Session, steps: int, points: list[Point]) -> bool:
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
        first = median(point.loss for point in points[:SETTLED])
        if step >= SETTLED and not (
            isfinite(smoothed) and smoothed - lowest <= 4 * max(first - lowest, abs(first) / 4)
        ):
            return True
    return False
