"""SigmoidCrossEntropyLoss: the sum of -(t ln s(x) + (1 - t) ln(1 - s(x))) over N, s the logistic function.

Computed as max(x, 0) - x t + ln(1 + exp(-|x|)). A target is ignored when, cut to a whole number, it is `ignore_label`;
so with `ignore_label: 0` soft targets below 1 are ignored too. `label_smoothing` e makes a target t (1 - e) + e / 2.
Source: Caffe sigmoid_cross_entropy_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.formula import Number
from netspec.core.model import Aka, Listed
from netspec.core.shape import ShapeError, Shapes, axis_of, count, counted
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, greatest, indices, total
from netspec.layers._loss import (
    ALMOST_NOTHING,
    NormalizedLoss,
    Quotient,
    Weight,
    class_factors,
    cut,
    mean_of,
    right_number,
    same_count,
    sums,
    weights_of,
)
from netspec.layers._sigmoid import entropy, logistic, mixed
from netspec.layers.base import Arity, Purpose
from netspec.layers.base_elementwise import call_of

if TYPE_CHECKING:
    from netspec.core.calls import Array


class SigmoidCrossEntropyLoss(NormalizedLoss):
    """The logistic loss of independent yes/no scores; `normalization` is BATCH_SIZE unless given.

    Bottom: scores (N, ...), targets in 0..1 (N, ...); perhaps weights (N, ...), a factor for each target. Top: the
    loss, a scalar.
    A value weighs as much as its weight times the class weight of its channel. VALID divides by the weights of the
    values that count, however small their sum; the other normalizations know no weights, as the mean of PyTorch's
    binary_cross_entropy_with_logits, which is FULL.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, target], shape: [4, 3]}
- {name: half, type: Sigmoid, bottom: target}
- {name: loss, type: SigmoidCrossEntropyLoss, bottom: [data, half], propagate_down: [true, false]}
"""

    bottoms: ClassVar[Arity] = Arity(2, 3)
    no_diff: ClassVar[frozenset[int]] = frozenset({1, 2})
    usual: ClassVar[str] = "BATCH_SIZE"

    label_smoothing: float = Field(0.0, ge=0, le=1, description="The share of a target that is replaced by 1/2.")
    class_weights: Annotated[Listed[Weight] | None, Aka("weight", "weights")] = Field(
        None, description="A weight for each channel, axis 1."
    )

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]]:
        """The logistic function."""
        return "Sigmoid", {}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        same_count(bottoms[:2])
        if self.class_weights is not None:
            right_number(self.class_weights, bottoms[0][axis_of(1, bottoms[0], "class_weights")])
        if len(bottoms) > 2 and count(bottoms[2]) != count(bottoms[0]):
            text = (
                f"{{bottom[2]}} needs a weight for each of the {counted(count(bottoms[0]), 'value')} of {{bottom[0]}}"
            )
            raise ShapeError(text, field="bottom.2")
        return ((),)

    def _least(self, bottoms: int) -> float:
        return ALMOST_NOTHING if bottoms > 2 or self.class_weights else 1.0

    def task(self, bottoms: Shapes) -> Task:
        """Any of the channels."""
        return Task("labels", ignore=self.ignore_label)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all scores of all batches."""
        return self.quotient(bottoms[0][0], count(bottoms[0][1:]), self._least(len(bottoms)))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The loss of each value; each part's sum."""
        return {"each": Workspace((count(bottoms[0]),), use="forward")} | sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """The losses of all values, each part's weighted sum, their mean."""
        from netspec.kernels import loss_sigmoid

        shape, each = run.bottom[0].shape, run.workspace["each"]
        yield call_of(self, _value, {"x": run.bottom[0], "t": run.bottom[1]}, each)
        arrays = each, run.bottom[1], *self._weights(run), run.workspace["partial"]
        yield Call(loss_sigmoid.weighted_sum, *arrays, count(shape[2:]), *self.ignoring, parts=cut(each.size))
        yield mean_of(run, self.divisor(shape[0], count(shape[1:])), self._least(len(run.bottom)))

    def backward(self, run: Run) -> Calls:
        """The derivatives of all values, then their weights and scale."""
        from netspec.kernels import loss_sigmoid

        dx = run.bottom_diff[0]
        if dx is not None:
            yield call_of(self, _gradient, {"x": run.bottom[0], "t": run.bottom[1]}, dx)
            arrays = dx, run.bottom[1], *self._weights(run), run.top_diff[0], run.workspace["norm"]
            yield Call(loss_sigmoid.weighted_scale, *arrays, count(dx.shape[2:]), *self.ignoring)

    def _weights(self, run: Run) -> tuple[Array, Array]:
        """The weights of values, and those of channels."""
        return weights_of(run), class_factors(self.class_weights, len(self.class_weights or (1.0,)))

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The losses of all scores."""
        counting, divided = self._counting(arrays)
        losses = [_loss(x, aim) if weight is None else weight * _loss(x, aim) for x, aim, weight in counting.values()]
        yield (total(losses) / divided).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """Probability less target, for every score that counts."""
        counting, divided = self._counting(arrays)
        for i, index in enumerate(indices(arrays.bottoms[0].shape)):
            slope = Term(0)
            if i in counting:
                x, aim, weight = counting[i]
                slope = x.sigmoid() - aim
                slope = (slope if weight is None else weight * slope) * arrays.loss_weight / divided
            yield slope.at("dx", index)

    def _counting(self, arrays: LayerArrays) -> tuple[dict[int, tuple[Term, Term, Term | None]], Term]:
        """Score, aim and weight of all that count, by their places; and what the sum of the losses is divided by."""
        scores, targets = arrays.bottoms[:2]
        flat, truth, counting = scores.reshape(-1), targets.reshape(-1), self.counted(targets)
        weights = {i: self._weight(arrays, i) for i in counting}
        smooth = self.label_smoothing
        weighs = len(arrays.bottoms) > 2 or self.class_weights is not None
        aims = {i: Term((1 - smooth) * truth[i] + smooth / 2) for i in counting}
        valid = sum(weights.values())
        divisor = self.divisor(scores.shape[0], count(scores.shape[1:])) or valid
        found = {i: (Term(flat[i]), aims[i], Term(weights[i]) if weighs else None) for i in counting}
        return found, Term(max(self._least(len(arrays.bottoms)), divisor))

    def _weight(self, arrays: LayerArrays, i: int) -> float:
        own = float(arrays.bottoms[2].reshape(-1)[i]) if len(arrays.bottoms) > 2 else 1.0
        if self.class_weights is None:
            return own
        return own * self.class_weights[i // count(arrays.bottoms[0].shape[2:]) % len(self.class_weights)]


def _loss(x: Term, t: Term) -> Term:
    """The loss in words: max(x, 0) - x t + ln(1 + e^-|x|)."""
    return greatest([x, Term(0)]) - x * t + (1.0 + (-x).where(x > 0, x).exp()).log()


def _value(x: Number, t: Number, label_smoothing: Number) -> Number:
    return entropy(x, mixed(t, label_smoothing))


def _gradient(x: Number, t: Number, label_smoothing: Number) -> Number:
    return logistic(x)[0] - mixed(t, label_smoothing)
