"""Overfitting on purpose: a net that learns must be able to learn a few samples by heart.

A training on the same few batches, without anything that is random (transforms, noise layers) or holds back (decay,
averages, a rate that falls). Where the loss does not come near 0, the net, its data or its solver are at fault, and it
is asked why: by contradictions among the samples, by the rules of the doctor, and by other rates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from netspec.core.counts import Count
from netspec.core.errors import CheckFailed, DivergedError, UsageError
from netspec.core.shape import counted
from netspec.data.feed import copy_batch
from netspec.layers.base import Layer
from netspec.net.shaped import ShapedGraph
from netspec.training.glance import index_outputs, look, still_feed
from netspec.training.job import Job
from netspec.training.policies.fixed import Fixed
from netspec.training.probe import Probe
from netspec.training.probing import measured, resized
from netspec.training.regularizers.l2 import L2
from netspec.training.rules.base import RULES, Known, judge
from netspec.training.rules.probed.base import PROBED
from netspec.training.session import Session
from netspec.training.watch import Watch

if TYPE_CHECKING:
    from netspec.core.calls import Array

NEAR = 0.02
"""Share of the loss of a guess that is near enough to 0."""

LOWER, HIGHER = (0.1, 0.01, 0.001), (10.0, 100.0, 1000.0, 10000.0)
"""Factors on the rate that are tried to see whether it is at fault."""

LEAST = 200
"""Iterations of a trial, where the training itself ended early."""

QUIET = {"dropout_ratio": 0.0, "tau": 0.0, "label_smoothing": 0.0}
QUIET_NOISE = {"sigma": 0.0}
"""Fields of layers with the values that make nothing random; those of noise layers alone."""


class NotFittedError(CheckFailed):
    """A net could not learn a few samples by heart."""

    code = "NS830"


class NothingToFitError(UsageError):
    """The solver has no training data of which a few could be learned by heart."""

    code = "NS831"


@dataclass(frozen=True)
class Course:
    """A training at a rate: its losses, each the mean over all batches; `diverged`: one of them is not finite."""

    rate: float
    losses: tuple[float, ...]
    diverged: bool
    fitted: bool


@dataclass(frozen=True)
class Overfit:
    """What became of a net on a few samples; `reason` is why it could not learn them, and what to try."""

    name: str
    samples: int
    batches: int
    guess: float
    course: Course
    reason: str | None = None

    @property
    def loss(self) -> float:
        """The last loss."""
        return self.course.losses[-1] if self.course.losses else float("nan")

    def failure(self) -> NotFittedError | None:
        """The error where it could not; None where it could."""
        if self.course.fitted:
            return None
        done, few = counted(len(self.course.losses), "iteration"), counted(self.samples, "sample")
        became = "is not finite" if self.course.diverged else f"is {self.loss:.4g}"
        text = f"after {done} on the same {few} the loss {became}, and a guess has {self.guess:.4g}"
        return NotFittedError(text, help=self.reason)


def overfit(
    job: Job,
    samples: int | None,
    iterations: int,
    threads: int | None = None,
    told: Callable[[int], None] = lambda done: None,
) -> Overfit:
    """Train on the same few samples, one batch of them by default. Raises NothingToFitError, DataError."""
    small = _small(job, samples or min(32, job.batch))
    feed = still_feed(small, shuffled=True)
    if feed is None:
        raise NothingToFitError("there are no training data of which a few could be learned by heart")
    batches = max(1, round((samples or small.batch) / small.batch))
    fixed = [feed.batch(number * small.batch, small.batch) for number in range(batches)]
    seen = measured(small, feed)
    guess = seen.guess if seen.guess else seen.loss
    course = _train(small, small.spec.base_lr, fixed, iterations, guess, threads, told)
    reason = None
    if not course.fitted:
        seen = replace(seen, data=look(small, {"train": feed}))
        reason = _contradiction(small, fixed) or _rule(small, seen) or _other_rate(small, fixed, course, guess, threads)
    return Overfit(job.name, batches * small.batch, batches, guess, course, reason)


def _small(job: Job, samples: int) -> Job:
    """The training with nothing that is random or holds back, in batches of at most so many samples."""
    data = job.spec.data
    net = resized(job, samples) if samples < job.batch else None
    if net is not None and data.train is not None:
        data = data.model_copy(update={"train": data.train.model_copy(update={"batch_size": samples})})
    own: dict[str, Any] = {
        "data": data.model_copy(update={"validation": None, "test": None, "tests": {}}),
        "lr_policy": Fixed(),
        "warmup": None,
        "iter_size": 1,
        "weight_decay": 0.0,
        "regularization_type": L2(),
        "gradient_noise": None,
        "average": None,
        "test_average": False,
        "average_loss": 1,
        "display": Count(0),
        "debug_info": False,
    }
    spec = job.spec.model_copy(update=own)
    return replace(job, spec=spec, nets={"TRAIN": _quiet(net or job.train)}, watch=Watch(), tested={})


def _quiet(net: ShapedGraph) -> ShapedGraph:
    """The net without random numbers."""
    nodes = tuple(replace(node, layer=_still(node.layer)) for node in net.graph.nodes)
    return replace(net, graph=replace(net.graph, nodes=nodes))


def _still(layer: Layer) -> Layer:
    fields = QUIET | (QUIET_NOISE if layer.purpose == "noise" else {})
    return layer.model_copy(update={name: value for name, value in fields.items() if name in type(layer).model_fields})


class _Repeated:
    """The same batches again and again, as a session reads them."""

    waited = 0.0

    def __init__(self, batches: Sequence[tuple[Array, ...]]) -> None:
        self.taken = 0
        self._batches = batches

    def take(self, into: tuple[Array, ...], between: Callable[[], None] = lambda: None) -> None:
        """Copy the next batch into a net's inputs."""
        copy_batch(self._batches[self.taken % len(self._batches)], into)
        self.taken += 1

    def close(self) -> None:
        """Nothing was opened."""


def _train(
    job: Job,
    rate: float,
    batches: Sequence[tuple[Array, ...]],
    iterations: int,
    guess: float,
    threads: int | None,
    told: Callable[[int], None] = lambda done: None,
) -> Course:
    """A training at a rate, until the loss is near 0, is not finite, or the iterations are done."""
    own = {"base_lr": rate, "max_iter": iterations, "max_epoch": None}
    session = Session(replace(job, spec=job.spec.model_copy(update=own)), threads)
    losses: list[float] = []
    means: list[float] = []
    try:
        session.load_own()
        session.read_from(_Repeated(batches))
        for done in range(iterations):
            losses.append(session.step())
            last = losses[-len(batches) :]
            means.append(sum(last) / len(last))
            told(done + 1)
            if len(losses) >= len(batches) and means[-1] <= NEAR * guess:
                return Course(rate, tuple(means), False, True)
    except DivergedError:
        return Course(rate, tuple(means), True, False)
    finally:
        session.close()
    return Course(rate, tuple(means), False, False)


def _contradiction(job: Job, batches: Sequence[tuple[Array, ...]]) -> str | None:
    """Whether some of the samples are equal but for their labels."""
    labels = [number for number, rule in index_outputs(job.train).items() if rule.word == "label"]
    seen: dict[bytes, bytes] = {}
    twisted = total = 0
    for arrays in batches:
        for sample in zip(*arrays, strict=True) if len({len(array) for array in arrays}) == 1 else ():
            inputs = b"".join(array.tobytes() for number, array in enumerate(sample) if number not in labels)
            truth = b"".join(array.tobytes() for number, array in enumerate(sample) if number in labels)
            twisted += seen.setdefault(inputs, truth) != truth
            total += 1
    if not twisted:
        return None
    return f"{twisted} of the {total} samples have an equal sample with another label: no net can be right for both"


def _rule(job: Job, seen: Probe) -> str | None:
    """What the first rule says whose fault can be the reason."""
    known, rooms = Known(job.nets, job, probe=seen), (PROBED, RULES)
    reasons = tuple(rule.finding for room in rooms for rule in room.members() if rule.hinders)
    found = (finding for room in rooms for finding in judge(known, room=room))
    cause = next((finding for finding in found if isinstance(finding, reasons)), None)
    return None if cause is None else f"{cause.message}; {cause.help}"


def _other_rate(
    job: Job, batches: Sequence[tuple[Array, ...]], course: Course, guess: float, threads: int | None
) -> str:
    """Whether another rate learns the samples, and what to do if none does."""
    wild = course.diverged or (bool(course.losses) and course.losses[-1] > guess)
    for factor in LOWER if wild else (*HIGHER, LOWER[0]):
        rate, word = course.rate * factor, "high" if factor < 1 else "low"
        other = _train(job, rate, batches, max(len(course.losses), LEAST), guess, threads)
        if other.fitted:
            return f"base_lr is too {word}: at {rate:.3g} the samples are learned in {len(other.losses)} iterations"
    if _falls(course):
        return "the loss still falls: give it more `--iterations`"
    frozen = [param.name for param in job.train.graph.params if not param.learned and param.param.learned]
    if frozen:
        return f"{counted(len(frozen), 'param')} are frozen, such as '{frozen[0]}': what is left may be too little"
    return "no other rate helps: is the net too small, or are labels and inputs unrelated?"


def _falls(course: Course) -> bool:
    """Whether the last quarter lies below the one before."""
    quarter = len(course.losses) // 4
    if quarter < 2 or not all(map(isfinite, course.losses)):
        return False
    before, last = course.losses[-2 * quarter : -quarter], course.losses[-quarter:]
    return sum(last) < 0.95 * sum(before)
