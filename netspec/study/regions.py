"""Regions: what a net with two inputs answers all over the plane, and the points that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from netspec.core.shape import text
from netspec.study.shown import NothingToShowError, Shown, facts_columns, forward, of_samples

if TYPE_CHECKING:
    from netspec.core.calls import Array

POINTS = 1000
"""Points of the data that are drawn, at most."""
_GRID = 301
"""Places along each axis."""
_BATCH = 512
"""Places that are computed together."""
_MARGIN = 0.15
"""Room around the points, as a share of the distance between the outermost ones."""


Kind = Literal["class", "probability", "value"]


@dataclass(frozen=True, eq=False)
class Regions:
    """What a net answers at the places x (G,), y (G,), in units of the data: `answer` (G, G, K), a row for every y.

    `kind` of the K values: the scores of classes, the probability of the second of two classes, or a value; `probable`
    scores are probabilities. `points` (P, 2) are of the data, with `truth` (P,), what they should be answered.
    """

    net: str
    data: str
    axes: tuple[str, str]
    x: Array
    y: Array
    kind: Kind
    probable: bool
    answer: Array
    classes: tuple[str, ...] | None
    points: Array
    truth: Array | None

    @property
    def said(self) -> str:
        """Which part of the plane, and which points."""
        x, y = (f"{one[0]:.3g} to {one[-1]:.3g}" for one in (self.x, self.y))
        return f"{self.axes[0]} from {x}, {self.axes[1]} from {y}; {self.data}"


def regions(shown: Shown, on: str | None = None, samples: int = POINTS) -> Regions:
    """The answers of a net over the plane, and points of the data, by default of those that it was trained on.

    Raises NothingToShowError where a sample of the net is not two numbers; NotThereError.
    """
    import numpy as np

    graph = shown.written.graph
    if len(graph.inputs) != 1 or shown.trained.wanted != (2,):
        given = " and ".join(f"{text(shown.written.blobs[blob])}" for blob in graph.inputs) or "nothing"
        fault = f"decision regions lie in a plane, and the net '{graph.name}' takes {given}, not two numbers a sample"
        raise NothingToShowError(fault, help="try it with the net of `netspec train two_moons`")
    feed = shown.feed(on or _trained_on(shown))
    chosen = np.array([i * len(feed) // min(samples, len(feed)) for i in range(min(samples, len(feed)))])
    raw = feed.data.read(chosen)
    points = np.asarray(raw[0], np.float64)
    number = shown.trained.answer.truth
    truth = np.asarray(raw[number]).reshape(len(points)) if number is not None and number < len(raw) else None
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.where(high > low, (high - low) * _MARGIN, 1.0)
    x, y = (np.linspace(low[axis] - room[axis], high[axis] + room[axis], _GRID) for axis in (0, 1))
    places = np.stack([each.reshape(-1) for each in np.meshgrid(x, y)], 1)
    answer = _answers(shown, places).reshape(len(y), len(x), -1)
    kind = _kind(shown, answer.shape[2])
    classes = None if kind == "value" else _classes(shown, answer.shape[2], truth, kind)
    axes = facts_columns(shown.trained.facts, 2) or ("x1", "x2")
    probable, data = shown.trained.answer.probable, feed.data.describe()
    return Regions(shown.title, data, (axes[0], axes[1]), x, y, kind, probable, answer, classes, points, truth)


def _trained_on(shown: Shown) -> str | None:
    """`train`, where there are such data."""
    job = shown.job
    return "train" if job is not None and job.spec.data.train is not None else None


def _answers(shown: Shown, places: Array) -> Array:
    """The answers (P, K) at places (P, 2)."""
    import numpy as np

    trained = shown.trained
    inputs = trained.transformed(places.astype(trained.dtype), trained.pipeline((2,)))
    name = trained.answer.blob
    program = shown.program(_BATCH, keep=(name,))
    blob, found = program.graph.named[name].index, []
    for start in range(0, len(inputs), _BATCH):
        some = inputs[start : start + _BATCH]
        forward(program, [some])
        found.append(of_samples(program, blob, len(some)).reshape(len(some), -1))
    return np.concatenate(found)


def _kind(shown: Shown, many: int) -> Kind:
    """What so many values of an answer are. Raises NothingToShowError."""
    if shown.trained.answer.axis is not None:
        return "class"
    if many != 1:
        raise NothingToShowError(f"the net answers with {many} values, and a plane shows one")
    return "probability" if shown.trained.answer.probable else "value"


def _classes(shown: Shown, many: int, truth: Array | None, kind: Kind) -> tuple[str, ...]:
    """The names of the classes that a net tells apart."""
    if kind == "probability":
        names = shown.trained.classes or ()
        return names if len(names) == 2 else ("class 0", "class 1")
    return tuple(map(shown.class_name, range(max(many, 0 if truth is None else int(truth.max()) + 1))))
