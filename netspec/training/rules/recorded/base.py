"""HistoryRule: a judgement about a training by what it recorded; and `Past`, which its rules look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, sqrt
from statistics import median
from typing import Any

from netspec.core.errors import NetspecError
from netspec.core.rooms import Room
from netspec.training.curve import noise, part, trend
from netspec.training.history import History, Series
from netspec.training.job import Job
from netspec.training.probe import HIGH
from netspec.training.rules.base import Example, Judgement, Known, example
from netspec.training.rules.tiny_batch_norm import TinyBatchNorm
from netspec.training.rules.zero_weights import ZeroWeights
from netspec.training.solvers.nesterov import Nesterov
from netspec.training.solvers.sgd import SGD

SURE = 3.0
"""A trend is believed where chance alone would show it once in a thousand times, in standard deviations."""
FEW = 8
"""Points of a loss below which nothing is said of its course: the last quarter has two then."""


@dataclass(frozen=True)
class Past:
    """A training that was recorded. Losses are those of progress lines."""

    known: Known
    job: Job
    history: History

    @cached_property
    def loss(self) -> Series:
        """The training loss; a series without values where no progress was shown.

        Of means over more iterations than lie between two lines, as many are left out as have iterations in common.
        """
        shown, chosen = self.history.series.get("loss"), list[int]()
        for i, at in enumerate(shown.iterations if shown is not None else ()):
            if not chosen or shown is None or at - shown.iterations[chosen[-1]] >= self.job.spec.average_loss:
                chosen.append(i)
        return Series("loss", (), (), (), ()) if shown is None else shown.chosen(chosen)

    @cached_property
    def start(self) -> float | None:
        """The loss of a guess, or where that is not known the first loss; None where it is not above 0."""
        first = next((value for value in self.loss.values if isfinite(value)), None)
        start = first if self.known.guess is None else self.known.guess
        return start if start is not None and start > 0 else None

    @cached_property
    def highest_start(self) -> float | None:
        """The first loss, or that of a guess where it is higher; None where it is not above 0."""
        return None if self.start is None else max(self.start, self.loss.values[0] if self.loss else self.start)

    @cached_property
    def level(self) -> float | None:
        """The median loss of the last quarter; None where too few losses are known."""
        values = part(self.loss, 0.75, 1)
        return median(values) if len(self.loss) >= FEW and values else None

    @cached_property
    def noise(self) -> float:
        """By how much the loss jumps from line to line in the second half: a standard deviation."""
        return noise(part(self.loss, 0.5, 1))

    @cached_property
    def falls(self) -> bool:
        """Whether the loss surely falls in the second half; also where the whole does, and the half is a few points."""
        half = part(self.loss, 0.5, 1)
        return trend(half if len(half) > FEW else part(self.loss, 0, 1)) < -SURE

    @cached_property
    def rate(self) -> float:
        """The median rate of the training."""
        rates = part(self.history.series["rate"], 0, 1) if "rate" in self.history.series else []
        return median(rates) if rates else self.job.spec.base_lr

    @cached_property
    def keeps_rate(self) -> bool:
        """Whether the rate at the end is at least half of the highest."""
        rates = part(self.history.series["rate"], 0, 1) if "rate" in self.history.series else []
        return not rates or rates[-1] >= max(rates) / 2

    @cached_property
    def memory(self) -> float | None:
        """By how much momentum lengthens the steps, 1 / (1 - momentum); None for solver types other than SGD."""
        rule = self.job.spec.rule
        return 1 / (1 - rule.momentum) if isinstance(rule, SGD | Nesterov) else None

    @cached_property
    def gradient(self) -> float | None:
        """The root mean square L2 norm of an iteration's gradient, which is the mean of those of its batches."""
        norms = part(self.history.series["gradient"], 0, 1) if "gradient" in self.history.series else []
        return sqrt(sum(norm**2 for norm in norms) / len(norms)) / self.job.spec.iter_size if norms else None

    @cached_property
    def clipped(self) -> float:
        """The part of a gradient that clip_gradients leaves; 1 without it, and where it does not look at the norm."""
        clip, own = self.job.spec.clip_gradients, (self.gradient or 0.0) * self.job.spec.iter_size
        return min(1.0, clip.limit / own) if clip is not None and clip.type == "norm" and own else 1.0

    @cached_property
    def reach(self) -> float | None:
        """By how much all steps together could lower the loss if it fell along each gradient as far as at its start.

        iterations * rate * |gradient|^2 / (1 - momentum), or less by clipping; None for solver types other than SGD.
        """
        if self.memory is None or self.gradient is None:
            return None
        return self.history.iteration * self.rate * self.gradient**2 * self.clipped * self.memory

    @cached_property
    def wild(self) -> bool:
        """Whether the first iteration had already a loss far above that of a guess, whatever the rate."""
        guess, first = self.known.guess, self.loss.values[0] if self.loss else 0.0
        began = bool(self.loss) and self.loss.iterations[0] <= 1
        return began and guess is not None and guess > 0 and first > HIGH * guess

    @cached_property
    def stuck(self) -> bool:
        """Whether the net itself says that layers of it never learn."""
        return next(ZeroWeights().judge(self.known), None) is not None

    @cached_property
    def small_norms(self) -> bool:
        """Whether a BatchNorm took its statistics from too few samples, which makes any loss jump."""
        return next(TinyBatchNorm().judge(self.known), None) is not None

    def tested(self, name: str) -> Series | None:
        """A score of the tests on the data that the training was watched by, without that of the untrained net."""
        feed = self.job.spec.data.watched
        one = self.history.series.get(f"{feed}/{name}")
        if one is None:
            return None
        pairs = enumerate(zip(one.iterations, one.values, strict=True))
        return one.chosen([i for i, (at, value) in pairs if at > 0 and isfinite(value)])

    @cached_property
    def test_loss(self) -> Series | None:
        """The loss of the tests; None for nets with several losses."""
        net = self.known.learner
        names = [] if net is None else [net.graph.blobs[blob].name for blob in net.graph.losses]
        return self.tested(names[0]) if len(names) == 1 else None


class HistoryRule(Judgement):
    """A judgement about a training by what it recorded, long after the rules that the training itself asks."""

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """The findings, where a history is known."""
        if known.job is not None and known.history is not None:
            yield from self.look(Past(known, known.job, known.history))

    def look(self, past: Past) -> Iterator[NetspecError]:
        """The findings."""
        raise NotImplementedError


RECORDED: Room[HistoryRule] = Room("netspec.training.rules.recorded", HistoryRule, "rule of a history")


def recorded(
    series: Mapping[str, Sequence[float]], every: int = 10, fields: Mapping[str, Any] | None = None, **history: Any
) -> Example:
    """A training of four classes for examples, with series recorded at every so many iterations from 0 on."""
    solver = example([{"name": "ip", "type": "InnerProduct", "num_output": 4}], **(fields or {}))
    made = {name: _series(name, values, every) for name, values in series.items()}
    last = max((one.iterations[-1] for one in made.values()), default=0)
    return Example(solver, history=History(made, **{"iteration": last, **history}))


def _series(name: str, values: Sequence[float], every: int) -> Series:
    iterations = tuple(i * every for i in range(len(values)))
    return Series(name, iterations, (None,) * len(values), tuple(map(float, iterations)), tuple(values))
