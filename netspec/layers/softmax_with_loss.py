"""SoftmaxWithLoss: the mean over positions of -ln(softmax(x)[label]).

One class of a position loses at most -ln(FLT_MIN) = 87.3365; the divisor is at least 1, unless positions have weights.
Source: Caffe softmax_loss_layer.cpp; Szegedy et al. 2015 for label smoothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, Listed
from netspec.core.shape import ShapeError, Shapes, axis_of, count, counted
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, indices, softmax, total
from netspec.layers._engine import Engine
from netspec.layers._loss import (
    ALMOST_NOTHING,
    NormalizedLoss,
    Quotient,
    Weight,
    chances,
    class_factors,
    cut,
    mean_of,
    place_of,
    positions,
    right_number,
    weights_of,
)
from netspec.layers.base import BOTTOM, TOP, Abilities, Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class SoftmaxWithLoss(Engine, NormalizedLoss):
    """The multinomial logistic loss of scores, with the softmax inside.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...); perhaps weights (N, ...), a factor for each label. Instead of
    labels there may be soft labels of the scores' shape, probabilities of the classes: the loss is then the sum over
    the classes of -t ln p. Top: the loss, a scalar; on request, the probabilities (N, C, ...).
    A position weighs as much as its weight times the class weight of its label; soft labels take class weights class
    by class, and do not weigh by them. VALID divides by the weights of the positions that count, however small their
    sum; the other normalizations know no weights. All this is as in PyTorch's cross_entropy.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3, 5], [4, 5]]}
- {name: loss, type: SoftmaxWithLoss, bottom: [data, label], ignore_label: 1, label_smoothing: 0.1}
"""

    bottoms: ClassVar[Arity] = Arity(2, 3)
    tops: ClassVar[Arity] = Arity(1, 2)
    no_diff: ClassVar[frozenset[int]] = frozenset({1, 2})

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis of the classes; negative counts from the end."
    )
    label_smoothing: float = Field(0.0, ge=0, le=1, description="The share of a label that goes to all classes evenly.")
    class_weights: Annotated[Listed[Weight] | None, Aka("weight", "weights")] = Field(
        None, description="A weight for each class."
    )

    @property
    def abilities(self) -> Abilities:
        """Backward reads the labels, and the probabilities where they are a top."""
        return Abilities(reads=BOTTOM | TOP)

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]]:
        """The softmax over the classes."""
        return "Softmax", {"axis": self.axis}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and the scores' shape for a second top."""
        outer, classes, inner = self._positions(bottoms)
        right_number(self.class_weights, classes)
        if self._soft(bottoms) and self.ignore_label is not None:
            text = "`ignore_label` needs labels, but {bottom[1]} is as large as the scores {bottom[0]}"
            raise ShapeError(text, field="ignore_label")
        if len(bottoms) > 2 and count(bottoms[2]) != outer * inner:
            text = f"{{bottom[2]}} needs a weight for each of the {counted(outer * inner, 'position')} of {{bottom[0]}}"
            raise ShapeError(text, field="bottom.2")
        return ((), bottoms[0])[: len(self.top_names())]

    def _positions(self, bottoms: Shapes) -> tuple[int, int, int]:
        """(outer, C, inner) of the scores."""
        if self._soft(bottoms):
            axis = axis_of(self.axis, bottoms[0])
            return count(bottoms[0][:axis]), bottoms[0][axis], count(bottoms[0][axis + 1 :])
        return positions(bottoms[:2], self.axis)

    def _soft(self, bottoms: Shapes) -> bool:
        """Whether the truth is soft labels. With a single class these are labels."""
        scores, truth = bottoms[:2]
        single = -len(scores) <= self.axis < len(scores) and scores[self.axis] == 1
        return truth == scores and not single

    def _weighs(self, bottoms: Shapes) -> bool:
        """Whether positions have weights."""
        return len(bottoms) > 2 or (self.class_weights is not None and not self._soft(bottoms))

    def _least(self, bottoms: Shapes) -> float:
        return ALMOST_NOTHING if self._weighs(bottoms) else 1.0

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores."""
        return {} if self._soft(bottoms) else {1: (self._positions(bottoms)[1], self.ignore_label)}

    def task(self, bottoms: Shapes) -> Task:
        """One of the classes."""
        soft = self._soft(bottoms)
        return Task("classes", axis=self.axis, soft=soft, ignore=None if soft else self.ignore_label)

    def chance(self, bottoms: Shapes) -> float | None:
        """ln C, where the loss is a mean over the labels that count."""
        outer, classes, inner = self._positions(bottoms)
        divisor, soft = self.divisor(outer, inner), self._soft(bottoms)
        mean = divisor == 0 or (divisor == outer * inner and self.ignore_label is None and not self._weighs(bottoms))
        even = self.class_weights is None or not (soft or self.label_smoothing)
        return log(classes) if mean and even else None

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all positions of all batches."""
        outer, _, inner = self._positions(bottoms)
        return self.quotient(outer, inner, self._least(bottoms))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The probabilities, unless they are a top; a number for each position; each part's sum."""
        outer, _, inner = self._positions(bottoms)
        return chances(bottoms[0], outer * inner, len(self.top_names()) > 1)

    def forward(self, run: Run) -> Calls:
        """Probabilities and each part's loss; then their mean."""
        from netspec.kernels import loss_softmax, softmax

        shapes = tuple(each.shape for each in run.bottom)
        shape, sums = self._positions(shapes), (run.workspace["each"], run.workspace["partial"])
        scores, prob = run.bottom[0].reshape(shape), self._prob(run).reshape(shape)
        if self._plain(shapes):
            plain = scores, run.bottom[1], prob, *sums
            yield Call(softmax.softmax_loss_forward, *plain, *self.ignoring, parts=cut(scores.size))
        else:
            arrays = scores, *self._truth(run, shape[1]), prob, *sums
            targets = loss_softmax.Targets(self.label_smoothing, int(self._soft(shapes)), *self.ignoring)
            yield Call(loss_softmax.weighted_softmax_forward, *arrays, targets, parts=cut(scores.size))
        yield mean_of(run, self.divisor(shape[0], shape[2]), self._least(shapes))

    def backward(self, run: Run) -> Calls:
        """One pass over the probabilities."""
        from netspec.kernels import loss_softmax, softmax

        if run.bottom_diff[0] is None:
            return
        shapes = tuple(each.shape for each in run.bottom)
        shape = self._positions(shapes)
        prob = self._prob(run).reshape(shape)
        given = run.workspace["each"], run.top_diff[0], run.workspace["norm"]
        dx = run.bottom_diff[0].reshape(shape)
        if self._plain(shapes):
            yield Call(softmax.softmax_loss_backward, prob, run.bottom[1], *given, dx, *self.ignoring)
        else:
            targets = loss_softmax.Targets(self.label_smoothing, int(self._soft(shapes)), *self.ignoring)
            arrays = prob, *self._truth(run, shape[1]), *given, dx
            yield Call(loss_softmax.weighted_softmax_backward, *arrays, targets)

    def _plain(self, bottoms: Shapes) -> bool:
        """Whether all is as in Caffe."""
        return len(bottoms) == 2 and not (self.class_weights or self.label_smoothing or self._soft(bottoms))

    def _truth(self, run: Run, classes: int) -> tuple[Array, Array, Array]:
        """The labels, the weights of positions, and those of classes."""
        return run.bottom[1], weights_of(run), class_factors(self.class_weights, classes)

    def _prob(self, run: Run) -> Array:
        return run.top[1] if len(run.top) == 2 else run.workspace["prob"]

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The probabilities of the classes at each position that counts; the loss of all."""
        places, divisor = self._counting(arrays)
        axis = self._axis(arrays)
        for at in indices(arrays.bottoms[0].shape):
            place = places.get(place_of(at, arrays.bottoms[0].shape, axis))
            if place is not None:
                yield place.chances[at[axis]].at("p", at)
        yield (total([each.loss for each in places.values()]) / divisor).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """Probability less truth, for every score."""
        places, divisor = self._counting(arrays)
        shape, axis = arrays.bottoms[0].shape, self._axis(arrays)
        for at in indices(shape):
            place = places.get(place_of(at, shape, axis))
            slope = Term(0) if place is None else place.slope(at[axis]) * arrays.loss_weight / divisor
            yield slope.at("dx", at)

    def _axis(self, arrays: LayerArrays) -> int:
        return axis_of(self.axis, arrays.bottoms[0].shape)

    def _counting(self, arrays: LayerArrays) -> tuple[dict[int, _Place], Term]:
        """The positions that count, and what the sum of their losses is divided by."""
        shapes = tuple(each.shape for each in arrays.bottoms)
        outer, _, inner = self._positions(shapes)
        counted = range(outer * inner) if self._soft(shapes) else self.counted(arrays.bottoms[1])
        places = {p: self._explained(arrays, p) for p in counted}
        weight = sum(each.counts for each in places.values())
        return places, Term(max(self._least(shapes), self.divisor(outer, inner) or weight))

    def _explained(self, arrays: LayerArrays, p: int) -> _Place:
        """A position that counts."""
        from netspec.kernels.softmax import LOSS_CAP

        scores, truth = arrays.bottoms[:2]
        shapes = tuple(each.shape for each in arrays.bottoms)
        outer, classes, inner = self._positions(shapes)
        o, i = divmod(p, inner)
        row = scores.reshape(outer, classes, inner)[o, :, i].tolist()
        soft, smooth = self._soft(shapes), self.label_smoothing
        own = -1 if soft else int(truth.reshape(-1)[p])
        given = truth.reshape(outer, classes, inner)[o, :, i].tolist() if soft else [c == own for c in range(classes)]
        factors = self.class_weights or (1.0,) * classes
        shares = [factors[c] * ((1 - smooth) * given[c] + smooth / classes) for c in range(classes)]
        chances = [softmax(row, c) for c in range(classes)]
        logs = [-Term(chance.value).log() for chance in chances]
        logs = [each if each < LOSS_CAP else Term(LOSS_CAP) for each in logs]
        terms = [logs[c] if share == 1 else Term(share) * logs[c] for c, share in enumerate(shares) if share]
        weight = float(arrays.bottoms[2].reshape(-1)[p]) if len(shapes) > 2 else None
        loss = total(terms) if weight is None else Term(weight) * total(terms)
        counts = (1.0 if weight is None else weight) * (1.0 if soft else factors[own])
        return _Place(counts, weight, chances, loss, shares)


class _Place(NamedTuple):
    """A position: how much it counts, its own weight, the probabilities of the classes, its loss, their shares of it.

    The loss is the sum over the classes of share * -ln(probability), times the weight.
    """

    counts: float
    weight: float | None
    chances: list[Term]
    loss: Term
    shares: list[float]

    def slope(self, c: int) -> Term:
        """The slope of the loss by the score of a class."""
        chance, mass = Term(self.chances[c].value), Term(sum(self.shares))
        slope = (chance if mass.value == 1 else chance * mass) - Term(self.shares[c])
        return slope if self.weight is None else Term(self.weight) * slope
