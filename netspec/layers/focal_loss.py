"""FocalLoss: the logistic loss times (1 - p)^gamma, p the probability of the truth: what is easy counts for little.

Source: Lin, Goyal, Girshick, He & Dollar 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.formula import Formula, Number
from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import Shapes, axis_of, count
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, indices, softmax, total
from netspec.layers._loss import (
    ALMOST_NOTHING,
    LabelLoss,
    Quotient,
    Weight,
    chances,
    class_factors,
    cut,
    mean_of,
    place_of,
    positions,
    right_number,
    same_count,
    sums,
    weights_of,
)
from netspec.layers._sigmoid import entropy, logistic
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import call_of

if TYPE_CHECKING:
    from netspec.core.calls import Array


class FocalLoss(LabelLoss):
    """The logistic loss of scores, with the sigmoid or softmax inside, that turns away from what is already learned.

    Bottom: scores; the truth. In the form SIGMOID scores (N, ...) are independent, and targets (N, ...) are 0, 1 or
    between; in the form SOFTMAX scores are (N, C, ...), and labels 0..C-1 (N, ...). Top: the loss, a scalar, by default
    the mean over all values that count. Lin divides by the number of objects: `normalization: NONE`, and a loss_weight.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
- {name: ip, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier}
- {name: loss, type: FocalLoss, form: SOFTMAX, bottom: [ip, label]}
"""

    form: Literal["SIGMOID", "SOFTMAX"] = Field("SIGMOID", description="What makes probabilities of scores.")
    gamma: float = Field(2.0, ge=0, description="How much less an easy value counts; 0 is the plain logistic loss.")
    alpha: float | None = Field(
        0.25,
        ge=0,
        le=1,
        description="Of the form SIGMOID: weight of targets 1; targets 0 have 1 - alpha. ~: 1 for all.",
    )
    class_weights: Annotated[Listed[Weight] | None, Aka("weight", "weights")] = Field(
        None, description="Of the form SOFTMAX: a weight for each class."
    )
    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="Of the form SOFTMAX: the axis of the classes; negative counts from the end."
    )

    @model_validator(mode="after")
    def _of_its_form(self) -> Self:
        others = ("alpha",) if self.form == "SOFTMAX" else ("class_weights", "axis")
        for field in others:
            if field in self.model_fields_set:
                help = "SOFTMAX takes `class_weights`, SIGMOID takes `alpha`"
                raise wrong(f"`{field}` has no meaning in the form {self.form}", field=field, help=help)
        return self

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]]:
        """What makes probabilities of scores, by its form."""
        return ("Softmax", {"axis": self.axis}) if self.form == "SOFTMAX" else ("Sigmoid", {})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        if self.form == "SIGMOID":
            same_count(bottoms)
        else:
            right_number(self.class_weights, positions(bottoms, self.axis)[1])
        return ((),)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """In the form SOFTMAX the labels must name one of the C scores."""
        return {1: (positions(bottoms, self.axis)[1], self.ignore_label)} if self.form == "SOFTMAX" else {}

    def _extent(self, bottoms: Shapes) -> tuple[int, int]:
        """(outer, inner): their product is the number of positions."""
        if self.form == "SIGMOID":
            return bottoms[0][0], count(bottoms[0][1:])
        outer, _, inner = positions(bottoms, self.axis)
        return outer, inner

    @property
    def _least(self) -> float:
        return 1.0 if self.class_weights is None else ALMOST_NOTHING

    def task(self, bottoms: Shapes) -> Task:
        """One of the classes, or any of the channels."""
        if self.form == "SOFTMAX":
            return Task("classes", axis=self.axis, ignore=self.ignore_label)
        return Task("labels", ignore=self.ignore_label)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all positions of all batches."""
        return self.quotient(*self._extent(bottoms), self._least)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The probabilities of classes, or the loss of each value; each part's sum."""
        if self.form == "SOFTMAX":
            return chances(bottoms[0], count(bottoms[1]))
        return {"each": Workspace((count(bottoms[0]),), use="forward")} | sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """Each part's loss; then their mean."""
        from netspec.kernels import loss_sigmoid, loss_softmax

        shapes, partial = (run.bottom[0].shape, run.bottom[1].shape), run.workspace["partial"]
        parts = cut(run.bottom[0].size)
        if self.form == "SIGMOID":
            each = run.workspace["each"]
            yield call_of(self, self._formulas[0], {"x": run.bottom[0], "t": run.bottom[1]}, each)
            arrays = each, run.bottom[1], weights_of(run), class_factors(None, 1), partial
            yield Call(loss_sigmoid.weighted_sum, *arrays, 1, *self.ignoring, parts=parts)
        else:
            shape = positions(shapes, self.axis)
            x, prob = run.bottom[0].reshape(shape), run.workspace["prob"].reshape(shape)
            given = x, run.bottom[1], class_factors(self.class_weights, shape[1]), prob, run.workspace["each"], partial
            yield Call(loss_softmax.focal_softmax_forward, *given, self.gamma, *self.ignoring, parts=parts)
        yield mean_of(run, self.divisor(*self._extent(shapes)), self._least)

    def backward(self, run: Run) -> Calls:
        """One pass over the scores, or their probabilities."""
        from netspec.kernels import loss_sigmoid, loss_softmax

        dx, norm = run.bottom_diff[0], run.workspace["norm"]
        if dx is None:
            return
        if self.form == "SIGMOID":
            yield call_of(self, self._formulas[1], {"x": run.bottom[0], "t": run.bottom[1]}, dx)
            arrays = dx, run.bottom[1], weights_of(run), class_factors(None, 1), run.top_diff[0], norm
            yield Call(loss_sigmoid.weighted_scale, *arrays, 1, *self.ignoring)
        else:
            shape = positions((run.bottom[0].shape, run.bottom[1].shape), self.axis)
            factors, prob = class_factors(self.class_weights, shape[1]), run.workspace["prob"].reshape(shape)
            given = prob, run.bottom[1], factors, run.top_diff[0], norm, dx.reshape(shape)
            yield Call(loss_softmax.focal_softmax_backward, *given, self.gamma, *self.ignoring)

    @property
    def _formulas(self) -> tuple[Formula, Formula]:
        """The loss and its gradient in the form SIGMOID; Lin's gamma of 2 takes no powers."""
        return (_value_of_two, _gradient_of_two) if self.gamma == 2 else (_value, _gradient)

    @property
    def of_one(self) -> float:
        """The weight of targets 1."""
        return 1.0 if self.alpha is None else self.alpha

    @property
    def of_zero(self) -> float:
        """The weight of targets 0."""
        return 1.0 if self.alpha is None else 1.0 - self.alpha

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The losses of all positions that count."""
        places, divisor = self._counting(arrays)
        yield (total([each.loss for each in places.values()]) / divisor).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The slope of each position's loss, for every score."""
        places, divisor = self._counting(arrays)
        shape = arrays.bottoms[0].shape
        axis = axis_of(self.axis, shape) if self.form == "SOFTMAX" else -1  # each score is a position of its own
        for at in indices(shape):
            place = places.get(place_of(at, shape, axis))
            slope = Term(0) if place is None else place.slopes[at[axis] if axis >= 0 else 0]
            yield (slope * arrays.loss_weight / divisor).at("dx", at)

    def _counting(self, arrays: LayerArrays) -> tuple[dict[int, _Place], Term]:
        """The positions that count, and what the sum of their losses is divided by."""
        scores, truth = arrays.bottoms
        outer, inner = self._extent((scores.shape, truth.shape))
        explain = self._explained if self.form == "SIGMOID" else self._explained_of_classes
        places = {p: explain(scores, truth, p) for p in self.counted(truth)}
        weight = sum(each.weight for each in places.values())
        return places, Term(max(self._least, self.divisor(outer, inner) or weight))

    def _explained(self, scores: Array, truth: Array, place: int) -> _Place:
        """A value of the form SIGMOID."""
        x, t = Term(scores.reshape(-1)[place]), Term(truth.reshape(-1)[place])
        s, gamma = Term(1 / (1 + exp(-x.value))), self.gamma
        q = 1.0 - s if t.value == 1 else s if t.value == 0 else s * (1.0 - t) + (1.0 - s) * t
        factor = Term(1) if self.alpha is None else self.of_one * t + self.of_zero * (1.0 - t)
        loss = -(t * s.log() + (1.0 - t) * (1.0 - s).log())
        turn = self.gamma * q.power(gamma - 1) * s * (1.0 - s) * (1.0 - 2.0 * t) * Term(loss.value)
        slope = factor * (q.power(gamma) * (s - t) + turn)
        return _Place(1.0, factor * q.power(gamma) * loss, [slope])

    def _explained_of_classes(self, scores: Array, truth: Array, place: int) -> _Place:
        """A position of the form SOFTMAX."""
        outer, classes, inner = positions((scores.shape, truth.shape), self.axis)
        (o, i), own = divmod(place, inner), int(truth.reshape(-1)[place])
        row = scores.reshape(outer, classes, inner)[o, :, i].tolist()
        chances = [Term(softmax(row, c).value) for c in range(classes)]
        p = chances[own]
        factor = Term(1.0 if self.class_weights is None else self.class_weights[own])
        part = factor * (1.0 - p).power(self.gamma)
        true = part * (self.gamma * p * p.log() - (1.0 - p))
        fall = factor * (1.0 - p).power(self.gamma - 1) * (1.0 - p - self.gamma * p * p.log())
        slopes = [true if c == own else fall * chance for c, chance in enumerate(chances)]
        return _Place(factor.value, part * -p.log(), slopes)


def _value(x: Number, t: Number, gamma: Number, of_one: Number, of_zero: Number) -> Number:
    return (of_one * t + of_zero * (1.0 - t)) * _wrong(x, t).power(gamma) * entropy(x, t)


def _value_of_two(x: Number, t: Number, of_one: Number, of_zero: Number) -> Number:
    wrong = _wrong(x, t)
    return (of_one * t + of_zero * (1.0 - t)) * (wrong * wrong) * entropy(x, t)


def _gradient_of_two(x: Number, t: Number, of_one: Number, of_zero: Number) -> Number:
    yes, no = logistic(x)
    wrong = _wrong(x, t)
    turn = 2.0 * yes * no * (1.0 - 2.0 * t) * entropy(x, t)
    slope = (of_one * t + of_zero * (1.0 - t)) * wrong * (wrong * (yes - t) + turn)
    return slope.where(wrong > 0, wrong)


def _gradient(x: Number, t: Number, gamma: Number, of_one: Number, of_zero: Number) -> Number:
    """0 where nothing is wrong: there the quotient below would be 0 / 0."""
    yes, no = logistic(x)
    wrong = _wrong(x, t)
    turn = gamma * yes * no * (1.0 - 2.0 * t) * entropy(x, t) / wrong
    slope = (of_one * t + of_zero * (1.0 - t)) * wrong.power(gamma) * (yes - t + turn)
    return slope.where(wrong > 0, wrong)


def _wrong(x: Number, t: Number) -> Number:
    """The probability of what is not the truth."""
    yes, no = logistic(x)
    return yes * (1.0 - t) + no * t


class _Place(NamedTuple):
    """A position that counts: its weight, its loss, and the slopes of that by its scores."""

    weight: float
    loss: Term
    slopes: list[Term]
