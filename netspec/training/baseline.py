"""Baseline: what simple models reach on the data of a solver, so that one knows what its net has to beat.

They are fitted to the training samples and answer for those of a test set, both after their transforms as in TEST.
Which target, and whether it is a class or numbers, the first head of the TEST net says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core import rng
from netspec.core.errors import UsageError
from netspec.core.shape import count
from netspec.core.task import Task
from netspec.data.computed import Computed
from netspec.data.facts import Facts
from netspec.data.feed import Feed
from netspec.data.spec import FeedSpec
from netspec.net.heads import Head, heads
from netspec.training import simple_models
from netspec.training.feeds import check_alike, opened
from netspec.training.job import Job
from netspec.training.judging.number_judge import NumberJudge
from netspec.training.judging.worst import Worst
from netspec.training.simple_models import Predict, Targets, parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Bools = NDArray[np.bool_]

MOST_NUMBERS = 2**26
"""Numbers of all training samples that are held in memory, 256 MiB of float32; of more, as many samples are drawn."""

CLASSES: dict[str, Callable[[Array, Targets], Predict]] = {
    "majority class": simple_models.constant,
    "nearest neighbours": simple_models.neighbours,
    "ridge": simple_models.ridge,
    "logistic regression": simple_models.logistic,
}
NUMBERS: dict[str, Callable[[Array, Targets], Predict]] = {
    "mean": simple_models.constant,
    "nearest neighbours": simple_models.neighbours,
    "ridge": simple_models.ridge,
}


@dataclass(frozen=True)
class Row:
    """A model: its scores on the test set by name, and the seconds that fitting and answering took."""

    model: str
    scores: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Baseline:
    """What simple models reach. `used` of the `train` samples were fitted to; `features` are numbers of a sample."""

    on: str
    classes: int
    train: int
    used: int
    test: int
    features: int
    rows: tuple[Row, ...]


def baseline(job: Job, on: str, told: Callable[[str], None] = lambda _: None) -> Baseline:
    """The scores of simple models on a feed of a job; `told` hears which is at work. Raises UsageError, DataError."""
    import numpy as np

    shaped, specs = job.phase("TEST"), job.spec.data
    if specs.train is None:
        raise UsageError("there are no training data to fit a baseline to", help="add `data: train:` to the solver")
    spec = specs.named(on)
    if spec is None:
        there = ", ".join(["train", *specs.scored])
        raise UsageError(f"there are no data called '{on}' to test on", help=f"say --on, and one of: {there}")
    head = next((head for head in heads(shaped) if head.output), None)
    if head is None:
        raise UsageError("no loss of the net compares its answers with a target of the data", help=_NEEDS)
    task = _Target(head, _classes(head, shaped.blobs[head.scores]))
    known = Computed()
    train, test = _feed(job, "train", specs.train, known), _feed(job, on, spec, known)
    check_alike(job, on, test, Facts.of(train.data))
    x, y, samples = task.collected(train)
    undo = None if task.classes else _undo(train, head.output or 0)
    fitted, found = [], []
    for name, fit in (CLASSES if task.classes else NUMBERS).items():
        told(name)
        begun = time.perf_counter()
        fitted.append(fit(x, y))
        found.append(time.perf_counter() - begun)
    truth: list[Array] = []
    answers: list[list[Array]] = [[] for _ in fitted]
    told(on)
    for part in parts(len(test), x.shape[1]):
        some, values, kept = task.batch(test, part.start, min(part.stop, len(test)) - part.start)
        truth.append(values[kept])
        for number, predict in enumerate(fitted):
            begun = time.perf_counter()
            answers[number].append(predict(some[kept]))
            found[number] += time.perf_counter() - begun
    whole = np.concatenate(truth)
    scored = [_scores(whole, np.concatenate(parts), task.classes, undo) for parts in answers]
    names = CLASSES if task.classes else NUMBERS
    rows = tuple(Row(name, scores, seconds) for name, scores, seconds in zip(names, scored, found, strict=True))
    return Baseline(on, task.classes, samples, len(x), len(whole), x.shape[1], rows)


def _undo(feed: Feed, output: int) -> Callable[[Array], Array] | None:
    """What gives numbers (N, K) of a target in its own units; None where the net sees these."""
    undo, shape = feed.undo(output), feed.shapes[output]
    return None if undo is None else lambda values: undo(values.reshape(-1, *shape)).reshape(values.shape)


_NEEDS = "a baseline predicts a class or numbers, as SoftmaxWithLoss or EuclideanLoss compare them"


def _classes(head: Head, scores: tuple[int, ...]) -> int:
    """The number of classes; 0 where the target is numbers. Raises UsageError."""
    task, axis = head.task, head.task.axis
    if task.kind == "numbers":
        return 0
    size = count(scores[1:]) if axis is None else scores[axis]
    if task.kind == "classes" and count(scores[1:]) == size:
        return size
    if task.kind == "labels" and count(scores[1:]) == 1:
        return 2
    raise UsageError(f"'{head.name}' judges several labels of a sample, which no baseline predicts", help=_NEEDS)


@dataclass(frozen=True)
class _Target:
    """What is predicted of a sample, as a head of the net reads it."""

    head: Head
    classes: int

    def collected(self, feed: Feed) -> tuple[Array, Targets, int]:
        """The training samples (N, F) in float32, their targets, and how many there are; where they are many, some."""
        import numpy as np

        features, number = count(feed.shapes[0]), len(feed)
        if features * number > MOST_NUMBERS:
            few = max(1, MOST_NUMBERS // features)
            chosen = np.sort(rng.permutation(number, 1, "baseline")[:few])
            batches = [(int(place), 1) for place in chosen]
        else:
            few = number
            batches = [(part.start, min(part.stop, number) - part.start) for part in parts(number, features)]
        x, values, kept, filled = np.empty((few, features), np.float32), [], [], 0
        for start, size in batches:
            x[filled : filled + size], some, good = self.batch(feed, start, size)
            values.append(some)
            kept.append(good)
            filled += size
        good = np.concatenate(kept)
        if not good.all():
            x = x[good]
        return x, Targets(np.concatenate(values)[good], self.classes), number

    def batch(self, feed: Feed, start: int, size: int) -> tuple[Array, Array, Bools]:
        """Samples (n, F), their targets, classes (n,) or numbers (n, K), and which of them count."""
        import numpy as np

        outputs = feed.batch(start, size)
        x, truth = outputs[0].reshape(size, -1), outputs[self.head.output or 0].reshape(size, -1)
        if not self.classes:
            return x, truth.astype(np.float64), np.ones(size, bool)
        if self.head.task.soft:
            return x, truth.argmax(axis=1), np.ones(size, bool)
        labels = truth[:, 0].astype(np.int64)
        ignore = self.head.task.ignore
        return x, labels, labels != ignore if ignore is not None else np.ones(size, bool)


def _feed(job: Job, name: str, spec: FeedSpec, known: Computed) -> Feed:
    """The feed of a spec as in TEST, each sample once in its order."""
    plain = spec.model_copy(update={"balance": None, "shuffle": None})
    return opened(job, name, plain, "TEST", job.spec.random_seed, known)


def _scores(truth: Array, answer: Array, classes: int, undo: Callable[[Array], Array] | None) -> dict[str, float]:
    """The scores of answers: of classes the accuracy and the mean recall of a class, of numbers errors in own units."""
    import numpy as np

    if classes:
        right = truth == answer
        recall = [right[truth == one].mean() for one in np.unique(truth)]
        return {"accuracy": float(right.mean()), "mean_recall": float(np.mean(recall))}
    if undo is not None:
        truth, answer = undo(truth), undo(answer)
    judge = NumberJudge(Task("numbers"), truth.shape[1], None, Worst(0))
    judge.block(0, answer[:, None], truth[:, None])
    found = judge.finish()
    return {name: found[name] for name in ("rmse", "mae", "r2")}
