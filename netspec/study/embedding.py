"""Embedding: what a blob holds of many samples, in the two dimensions in which these differ most.

Of the samples' values x (N, D), less their mean, X = U S V^T: the coordinates are the first two columns of U S, and the
share of the variance that they show is S^2 / sum(S^2). Each of these axes points to where its largest entry of V is
positive. Source: Pearson 1901; Hotelling 1933 (principal components).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.blas import single_threaded
from netspec.core.shape import Shape, count, counted
from netspec.study.shown import NothingToShowError, Shown, forward, of_samples

if TYPE_CHECKING:
    from netspec.core.calls import Array

SAMPLES = 1000
"""Samples that are shown where no other number is asked for."""
_MOST = 2**26
"""Values that are looked at together, at most."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points (N, 2) of N samples with the shares of the variance along both axes, and what they should be answered.

    `truth` (N,) has numbers of classes where there are `classes`, else values; None where nobody knows.
    """

    net: str
    blob: str
    shape: Shape
    data: str
    points: Array
    explained: tuple[float, float]
    truth: Array | None
    classes: tuple[str, ...] | None

    @property
    def said(self) -> str:
        """Which blob of how many samples, and how much of the variance is to be seen."""
        first, second = (100 * share for share in self.explained)
        many = counted(len(self.points), "sample")
        return f"'{self.blob}' of {many}: {first:.1f} % and {second:.1f} % of the variance"


def embedding(shown: Shown, blob: str | None = None, on: str | None = None, samples: int = SAMPLES) -> Embedding:
    """A blob of samples that are spread evenly over the data, in two dimensions.

    The blob is by default what the last layer with weights reads. Raises NotThereError, NothingToShowError, DataError.
    """
    import numpy as np

    name = _features(shown) if blob is None else blob
    index, feed = shown.blob(name), shown.feed(on)
    number = min(samples, len(feed))
    shape = shown.written.sample_shape(index)
    if number * count(shape) > _MOST:
        fault = f"blob '{name}' has {count(shape):,} values a sample: of {number:,} samples these are too many"
        raise NothingToShowError(fault, help=f"say --samples {max(2, _MOST // count(shape))}, or a smaller --blob")
    size = min(shown.trained.batch, number)
    program = shown.program(size, keep=(name,))
    rows, truths = [], []
    for numbers, batch in shown.batches(feed, number, size):
        forward(program, shown.inputs(batch))
        kept = of_samples(program, program.graph.named[name].index, len(numbers))
        rows.append(kept.reshape(len(numbers), -1))
        truths += [shown.truth(batch, n) for n in range(len(numbers))]
    points, explained = components(np.concatenate(rows))
    known = [one for one in truths if one is not None and one.size == 1]
    truth = np.array(known).reshape(-1) if len(known) == len(points) else None
    classes = None if truth is None else _classes(shown, truth)
    return Embedding(shown.title, name, shape, feed.describe(), points, explained, truth, classes)


def components(x: Array) -> tuple[Array, tuple[float, float]]:
    """The first two principal components (N, 2) of values (N, D), and their shares of the variance."""
    import numpy as np

    centred = x.astype(np.float64)
    centred -= centred.mean(axis=0)
    with single_threaded():
        u, s, v = np.linalg.svd(centred, full_matrices=False)
    whole = float(np.square(s).sum()) or 1.0
    points, explained = np.zeros((len(x), 2)), [0.0, 0.0]
    for axis in range(min(2, len(s))):
        sign = -1.0 if v[axis][np.abs(v[axis]).argmax()] < 0 else 1.0
        points[:, axis] = u[:, axis] * s[axis] * sign
        explained[axis] = float(s[axis]) ** 2 / whole
    return points, (explained[0], explained[1])


def _features(shown: Shown) -> str:
    """The blob that the last layer with weights reads: what the net knows of a sample before it decides."""
    graph = shown.written.graph
    nodes = [node for node in graph.nodes if node.params and node.bottoms]
    if not nodes:
        raise NothingToShowError(f"the net '{graph.name}' has no layers with weights", help="name a blob: --blob NAME")
    return graph.blobs[nodes[-1].bottoms[0]].name


def _classes(shown: Shown, truth: Array) -> tuple[str, ...] | None:
    """The names of the classes, where what a net should answer are classes."""
    if shown.trained.answer.axis is None:
        return None
    most = max(int(truth.max()) + 1, len(shown.classes or ()))
    return tuple(map(shown.class_name, range(most)))
