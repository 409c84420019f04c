"""Models that a net has to beat: majority class or mean, k nearest neighbours, ridge and logistic regression.

A model is fitted to training samples x (N, F) and targets, and answers for others. Targets of classes are numbers
0..C-1, (N,); of regression y (N, K). Memory is bounded: distances and products are made for some samples at a time.

Ridge: minimise sum |x w + b - y|^2 + alpha |w|^2, b free; for classes y is 1 for the own class and -1 for the others.
Logistic: minimise sum log-loss + |w|^2 / 2, b free. Sources: Hoerl & Kennard 1970; Cover & Hart 1967; Cox 1958. The
constants are those of scikit-learn 1.9: alpha 1, C 1, 5 neighbours, at most 100 iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core import rng
from netspec.training.solvers.lbfgs import LBFGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

CHUNK, ROOM = 1024, 2**23
"""Most samples that are looked at together, and most numbers of them."""
LARGEST = 4096
"""Rows of the largest system of equations that ridge regression solves."""
ALPHA, NEIGHBOURS = 1.0, 5
MOST, TOLERANCE = 100, 1e-5
"""Iterations of a logistic regression, and the largest slope by a single weight at which it ends before."""

Predict = Callable[["Array"], "Array"]
"""Answers for samples (M, F): class numbers (M,), or values (M, K)."""


@dataclass(frozen=True)
class Targets:
    """What is to be predicted: values (N, K) in float64, or classes (N,) of `classes` there are."""

    values: Array
    classes: int = 0

    @property
    def wanted(self) -> Array:
        """Numbers to be fitted, (N, K) in float64; of classes 1 for the own and -1 for the others, (N, C)."""
        import numpy as np

        if not self.classes:
            return self.values
        return np.where(self.values[:, None] == np.arange(self.classes), 1.0, -1.0)


def constant(x: Array, y: Targets) -> Predict:
    """The most frequent class, the first of equal ones; of values the mean."""
    import numpy as np

    answer: Array = np.array(np.bincount(y.values).argmax() if y.classes else y.values.mean(axis=0))
    return lambda others: np.repeat(answer[None], len(others), axis=0)


def neighbours(x: Array, y: Targets, k: int = NEIGHBOURS) -> Predict:
    """Of the k nearest samples the most frequent class, the first of equal ones; of values the mean.

    The nearest are looked for by products of numbers around the mean, in float32, and their exact distances compared.
    """
    import numpy as np

    k = min(k, len(x))
    middle = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = x - middle
    squares = np.einsum("nf,nf->n", centred, centred)

    def nearest(some: Array) -> Index:
        """The numbers of the k nearest of x, (M, k)."""
        known = np.zeros((len(some), 0), np.int64)
        for start in range(0, len(x), 16 * CHUNK):
            part = slice(start, start + 16 * CHUNK)
            near = squares[part] - 2 * ((some - middle) @ centred[part].T)
            few = min(2 * k, near.shape[1])
            found = np.argpartition(near, few - 1, axis=1)[:, :few] + start
            known = _nearest(x, some, np.concatenate([known, found], axis=1), 2 * k)
        return known[:, :k]

    def answer(others: Array) -> Array:
        found = np.concatenate([nearest(others[part]) for part in parts(len(others), x.shape[1])])
        if not y.classes:
            mean: Array = y.values[found].mean(axis=1)
            return mean
        votes = np.zeros((len(others), y.classes), np.int64)
        np.add.at(votes, (np.arange(len(others))[:, None], y.values[found]), 1)
        most: Array = votes.argmax(axis=1)
        return most

    return answer


def _nearest(x: Array, some: Array, found: Index, k: int) -> Index:
    """The k of the found samples (M, S) that are nearest to each of some, (M, k), nearest first, by exact distances."""
    import numpy as np

    distances = np.empty(found.shape)
    for row, (sample, numbers) in enumerate(zip(some, found, strict=True)):
        difference = x[numbers].astype(np.float64) - sample
        distances[row] = np.einsum("sf,sf->s", difference, difference)
    order = np.lexsort((found, distances), axis=1)[:, :k]
    return np.take_along_axis(found, order, axis=1)


def ridge(x: Array, y: Targets, alpha: float = ALPHA) -> Predict:
    """Ridge regression, by the equations of features or of samples, whichever are fewer.

    Where both are more than LARGEST, as many samples are drawn.
    """
    import numpy as np

    if min(x.shape) > LARGEST:
        some = np.sort(rng.permutation(len(x), 1, "ridge")[:LARGEST])
        x, y = x[some], Targets(y.values[some], y.classes)
    wanted, (n, f) = y.wanted, x.shape
    mean, middle = x.mean(axis=0, dtype=np.float64), wanted.mean(axis=0)
    if f <= n:
        gram, right = np.zeros((f, f)), np.zeros((f, wanted.shape[1]))
        for part in parts(n, f):
            centred = x[part] - mean
            gram += centred.T @ centred
            right += centred.T @ (wanted[part] - middle)
        weights = _solved(gram, right, alpha)
    else:
        gram = np.zeros((n, n))
        for part in parts(f, n):
            centred = x[:, part] - mean[part]
            gram += centred @ centred.T
        dual = _solved(gram, wanted - middle, alpha)
        weights = np.concatenate([(x[:, part] - mean[part]).T @ dual for part in parts(f, n)])
    return _linear(weights, middle - mean @ weights, y.classes)


def _solved(gram: Array, right: Array, alpha: float) -> Array:
    """(gram + alpha I)^-1 right; the shortest solution where that does not exist."""
    import numpy as np

    gram[np.diag_indices_from(gram)] += alpha
    return np.linalg.solve(gram, right) if alpha else np.linalg.lstsq(gram, right)[0]


def logistic(x: Array, y: Targets) -> Predict:
    """Multinomial logistic regression, by LBFGS over features brought to one scale; the optimum is that without it."""
    import numpy as np

    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    scaled = np.empty(x.shape, np.float32)
    for part in parts(*x.shape):
        scaled[part] = (x[part] - mean) / scale
    objective = _LogLoss(scaled, y, scale)
    for _ in range(MOST):
        before = objective.start
        if abs(objective.gradient(before)).max() <= TOLERANCE * len(x):
            break
        objective.start = _SOLVER.step(objective)
        if np.array_equal(objective.start, before):
            break
    weights = objective.start.reshape(-1, y.classes)
    return _linear(weights[:-1] / scale[:, None], weights[-1] - (mean / scale) @ weights[:-1], y.classes)


_SOLVER = LBFGS()


class _LogLoss:
    """The objective of a logistic regression, an Objective of LBFGS: a point (F + 1) * C is the weights and the biases.

    `x` are features around 0 that were divided by `scale`. Products are made in float32, and summed in float64.
    """

    def __init__(self, x: Array, y: Targets, scale: Array) -> None:
        import numpy as np

        self._x, self._labels, self._scale = x, y.values, scale
        self._shape = (x.shape[1] + 1, y.classes)
        size = self._shape[0] * y.classes
        self.start, self.lr_mult = np.zeros(size), np.ones(size)
        self.spans: tuple[slice, ...] = (slice(0, size),)
        self.iteration, self.rate, self.eps = 0, 1.0, 2.0**-52
        self.params: tuple[dict[str, Array], ...] = ()
        self.whole = {name: np.zeros(slot.shape) for name, slot in _SOLVER.state([(size,)]).whole.items()}
        self._known: tuple[Array, float, Array] | None = None

    def loss(self, at: Array) -> float:
        """The loss at a point."""
        return self.slope(at)[0]

    def gradient(self, at: Array) -> Array:
        """The gradient at a point."""
        return self.slope(at)[1]

    def slope(self, at: Array) -> tuple[float, Array]:
        """Loss and gradient at a point; those of the last point are kept."""
        import numpy as np

        if self._known is None or not np.array_equal(self._known[0], at):
            self._known = (at.copy(), *self._slope(at.reshape(self._shape)))
        return self._known[1:]

    def _slope(self, w: Array) -> tuple[float, Array]:
        import numpy as np

        own = w[:-1] / self._scale[:, None]
        loss, gradient = 0.5 * float((own**2).sum()), np.zeros_like(w)
        gradient[:-1] = own / self._scale[:, None]
        weights = w[:-1].astype(np.float32)
        for part in parts(len(self._x), self._shape[0]):
            x, labels = self._x[part], self._labels[part]
            rows = np.arange(len(x))
            scores = (x @ weights).astype(np.float64) + w[-1]
            scores -= scores.max(axis=1, keepdims=True)
            chances = np.exp(scores)
            sums = chances.sum(axis=1, keepdims=True)
            loss += float(np.log(sums).sum() - scores[rows, labels].sum())
            chances /= sums
            chances[rows, labels] -= 1
            gradient[:-1] += x.T @ chances.astype(np.float32)
            gradient[-1] += chances.sum(axis=0)
        return loss, gradient.reshape(-1)

    def product(self, at: Array, v: Array) -> Array:
        """Not asked for by LBFGS."""
        raise NotImplementedError


def _linear(weights: Array, bias: Array, classes: int) -> Predict:
    """Answers x w + b; of classes the one with the greatest."""
    import numpy as np

    def answer(others: Array) -> Array:
        values = np.concatenate([others[part] @ weights + bias for part in parts(len(others), len(weights))])
        return values.argmax(axis=1) if classes else values

    return answer


def parts(size: int, width: int) -> Iterator[slice]:
    """Parts of `size` rows, each of which has at most CHUNK of them and ROOM numbers, where a row has `width`."""
    step = max(1, min(CHUNK, ROOM // max(1, width)))
    return (slice(start, start + step) for start in range(0, size, step))
