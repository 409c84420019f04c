"""Base of losses and of metrics on labels: positions, the divisor of a loss, and the sums that parts leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from netspec.codegen.geometry import MOST_PARTS
from netspec.core.calls import Call, Run, Workspace
from netspec.core.metric import Metric
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count, counted
from netspec.layers.base import BOTTOM, TWO, Abilities, Arity, BatchAxes, Layer

if TYPE_CHECKING:
    from netspec.core.calls import Array

GRAIN = 2048
"""Scores of a part; each costs about as much as an exponential."""

Weight = Annotated[float, Field(ge=0)]
"""A number of `class_weights`."""

ALMOST_NOTHING = 1e-30
"""The least divisor where positions have weights: their sum may be below 1, and without any the loss is 0."""


@dataclass(frozen=True)
class Quotient(Metric):
    """A loss: the sum over all positions, divided by the sum of the batches' divisors.

    `divisor` is that of a batch; 0 means the number, or the weight, of the positions that count. Their sum counts as at
    least `least`. With `whole` nothing is divided.
    """

    divisor: int
    whole: bool = False
    least: float = 1.0
    space = "partial"

    def statistics(self, space: Array) -> Array:
        """(sum, divisor), from what the parts left."""
        pair: Array = space.reshape(-1, 2).sum(axis=0)
        if self.divisor:
            pair[1] = self.divisor
        return pair

    def finish(self, total: Array) -> tuple[Array, ...]:
        """The loss."""
        return (total[0] if self.whole else total[0] / max(self.least, total[1]),)


class Loss(Layer):
    """A scalar from two blobs, the second of which is the truth."""

    bottoms: ClassVar[Arity] = TWO
    is_loss: ClassVar[bool] = True
    no_diff: ClassVar[frozenset[int]] = frozenset({1})

    @property
    def abilities(self) -> Abilities:
        """Backward reads the scores and the truth."""
        return Abilities(reads=BOTTOM)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """No batch axis for the loss; a second top has the batch axis of the scores."""
        return (None, axes[0])[: len(self.top_names())]

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image: a loss adds up all of it."""
        return union(bottoms, fields).whole(True, True)


class DividedLoss(Loss):
    """A loss whose divisor can be chosen. Source: Caffe loss_layer.cpp, LossParameter."""

    normalization: Literal["VALID", "FULL", "BATCH_SIZE", "NONE"] | None = Field(
        None,
        description="What the sum is divided by: positions that are not ignored, all positions, the batch size, or 1.",
    )

    usual: ClassVar[str] = "VALID"

    @property
    def normalized(self) -> str:
        """The normalization in force."""
        return self.normalization or self.usual

    def identity(self) -> dict[str, Any]:
        """With the word for the divisor, unless it is the usual one."""
        fields = {name: value for name, value in super().identity().items() if not name.startswith("normaliz")}
        return fields if self.normalized == self.usual else fields | {"normalization": self.normalized}

    def divisor(self, outer: int, inner: int) -> int:
        """The number that the sum is divided by; 0 means the number of valid positions."""
        return {"VALID": 0, "FULL": outer * inner, "BATCH_SIZE": outer, "NONE": 1}[self.normalized]

    def quotient(self, outer: int, inner: int, least: float = 1.0) -> Quotient:
        """The metric of a loss over outer * inner positions."""
        return Quotient(self.divisor(outer, inner), self.normalized == "NONE", least)


class LabelLoss(DividedLoss):
    """A loss that may ignore a label."""

    ignore_label: int | None = Field(None, description="Positions with this label count for nothing.")

    @property
    def ignoring(self) -> tuple[int, int]:
        """(1 or 0, label) for the kernels: whether a label is ignored, and which label."""
        return (0, 0) if self.ignore_label is None else (1, self.ignore_label)

    def counted(self, labels: Array) -> list[int]:
        """The indices of the labels that are not ignored, in order."""
        flat = labels.reshape(-1).tolist()
        return [i for i, label in enumerate(flat) if not isfinite(label) or int(label) != self.ignore_label]


class NormalizedLoss(LabelLoss):
    """A loss that also takes Caffe's old word for its divisor."""

    normalize: bool | None = Field(
        None, description="Caffe's old word for normalization: true is VALID, false BATCH_SIZE."
    )

    @property
    def normalized(self) -> str:
        """The normalization in force."""
        old = None if self.normalize is None else "VALID" if self.normalize else "BATCH_SIZE"
        return self.normalization or old or self.usual


def positions(bottoms: Shapes, axis: int) -> tuple[int, int, int]:
    """(outer, C, inner) of the scores around the class axis.

    Raises ShapeError unless there is one label for each position.
    """
    scores, labels = bottoms
    if not -len(scores) <= axis < len(scores) and len(labels) > len(scores):
        raise ShapeError(
            "the labels {bottom[0]} stand before the scores {bottom[1]}",
            field="bottom",
            help="like `bottom: [ip2, label]`",
        )
    axis = axis_of(axis, scores)
    outer, classes, inner = count(scores[:axis]), scores[axis], count(scores[axis + 1 :])
    if count(labels) != outer * inner:
        wanted = f"{outer}" if inner == 1 else f"{outer}*{inner} = {outer * inner}"
        raise ShapeError(
            f"{{bottom[0]}} needs {wanted} label{'s' * (outer * inner != 1)}, but {{bottom[1]}} holds {count(labels)}",
            field="bottom.1",
        )
    return outer, classes, inner


def place_of(index: tuple[int, ...], shape: Shape, axis: int) -> int:
    """The number of the position, of a label, that the score at an index belongs to."""
    place = 0
    for other, (i, size) in enumerate(zip(index, shape, strict=True)):
        place = place if other == axis else place * size + i
    return place


def same_count(bottoms: Shapes) -> None:
    """Raise ShapeError unless both bottoms have the same batch size and as many values."""
    first, second = bottoms
    if not first or not second or first[0] != second[0] or count(first) != count(second):
        raise ShapeError(
            "{bottom[0]} and {bottom[1]} must have the same batch size and equally many values", field="bottom.1"
        )


def right_number(weights: tuple[float, ...] | None, classes: int) -> None:
    """Raise ShapeError unless there is a weight for each class, or none at all."""
    if weights is not None and len(weights) != classes:
        raise ShapeError(
            f"`class_weights` has {counted(len(weights), 'weight')}, but {{bottom[0]}} has "
            f"{counted(classes, 'class', 'classes')}",
            field="class_weights",
        )


def class_factors(weights: tuple[float, ...] | None, classes: int) -> Array:
    """(C,), float64: the weight of each class, 1 where none are given."""
    import numpy as np

    return constant(np.array(weights or (1.0,) * classes, np.float64))


def constant(array: Array) -> Array:
    """An array of the layer's own numbers, which no kernel writes."""
    array.setflags(write=False)
    return array


def weights_of(run: Run) -> Array:
    """The third bottom, or an array of no values where there is none."""
    import numpy as np

    return run.bottom[2] if len(run.bottom) > 2 else np.empty(0, run.bottom[0].dtype)


def cut(size: int) -> int:
    """The number of parts of a loss over `size` scores.

    It depends on the shape alone, so that sums do not depend on threads.
    """
    return max(1, min(MOST_PARTS, size // GRAIN))


def chances(scores: Shape, number: int, given: bool = False) -> dict[str, Workspace]:
    """Workspaces of a loss with the softmax inside: the probabilities, unless they are a top; a number a position."""
    kept = {} if given else {"prob": Workspace(scores, kept=True)}
    return kept | {"each": Workspace((number,), "float64")} | sums(scores)


def sums(shape: Shape) -> dict[str, Workspace]:
    """Workspaces of a loss over a shape: the sums that each part leaves, and the divisor that backward needs again."""
    partial = Workspace((cut(count(shape)) * 2,), "float64", score=True)
    return {"partial": partial, "norm": Workspace((1,), "float64", kept=True)}


def mean_of(run: Run, divisor: int, least: float = 1.0) -> Call:
    """The Call that adds the parts' sums and divides; a divisor of 0 is the number of positions that count."""
    from netspec.kernels import loss

    return Call(loss.loss_mean, run.workspace["partial"], run.top[0], run.workspace["norm"], divisor, least, parts=1)


def matrix(shape: Shape) -> Shape:
    """(N, C): all axes but the first together; a shape of fewer than two axes stays, for `positions` to refuse."""
    return (shape[0], count(shape[1:])) if len(shape) > 1 else shape
