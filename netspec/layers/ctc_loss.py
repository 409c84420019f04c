"""CTCLoss: -ln of the probability of a row of labels, summed over all ways to spread it over the steps of a sequence.

A way gives every step a label or a blank; labels may repeat from step to step, and a blank parts equal neighbours. The
softmax over classes is inside. Source: Graves, Fernandez, Gomez & Schmidhuber 2006.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.codegen.geometry import MOST_PARTS
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import ShapeError, Shapes, count, counted
from netspec.core.worked import LayerArrays, Term, Worked, indices, softmax
from netspec.layers._loss import DividedLoss, Quotient, mean_of
from netspec.layers.base import Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class CTCLoss(DividedLoss):
    """Learn rows of labels whose places in a sequence nobody has marked: speech, handwriting.

    Bottom: scores (T, N, C); labels (N, L), none of them the blank; steps (N,), the length of each sequence, all T
    steps where this bottom is left out; lengths (N,), the number of labels of each, which otherwise end before the
    first blank. Top: the loss, a scalar, over N by default; VALID and FULL divide by the number of labels.
    A row of labels that does not fit into its steps has an infinite loss.
    """

    bottoms: ClassVar[Arity] = Arity(2, 4)
    no_diff: ClassVar[frozenset[int]] = frozenset({1, 2, 3})
    usual: ClassVar[str] = "BATCH_SIZE"
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [scores, label], shape: [[6, 3, 4], [3, 2]], batch_axis: [1, 0]}
- {name: scale, type: Scale, bottom: scores, axis: 2}
- {name: loss, type: CTCLoss, bottom: [scale, label]}
"""

    blank: Annotated[int, Aka("blank_label", "blank_index")] = Field(0, ge=0, description="The class of the blank.")
    zero_infinity: bool = Field(False, description="Whether rows that do not fit into their steps count for nothing.")

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]]:
        """The softmax over the classes of each step."""
        return "Softmax", {"axis": 2}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        scores, labels = bottoms[:2]
        if len(scores) != 3:
            raise ShapeError("the scores {bottom[0]} must have the axes T x N x C", field="bottom.0")
        if self.blank >= scores[2]:
            text = f"`blank` {self.blank} is not one of the {counted(scores[2], 'class', 'classes')} of {{bottom[0]}}"
            raise ShapeError(text, field="blank")
        if len(labels) != 2 or labels[0] != scores[1]:
            raise ShapeError(
                f"the labels {{bottom[1]}} must have the axes N x L, with N = {scores[1]} as in {{bottom[0]}}",
                field="bottom.1",
            )
        for i, shape in enumerate(bottoms[2:], 2):
            if count(shape) != scores[1]:
                raise ShapeError(
                    f"{{bottom[{i}]}} needs a length for each of the {counted(scores[1], 'sequence')} of {{bottom[0]}}",
                    field=f"bottom.{i}",
                )
        return ((),)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """Labels are classes; lengths are at most T, and at most L."""
        times, _, number = bottoms[0]
        most = {1: number, 2: times + 1, 3: bottoms[1][1] + 1}
        return {slot: (most[slot], None) for slot in range(1, len(bottoms))}

    def divisor(self, outer: int, inner: int) -> int:
        """The number that the sum is divided by; 0 means the number of labels."""
        return {"VALID": 0, "FULL": 0, "BATCH_SIZE": outer, "NONE": 1}[self.normalized]

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the sequences of all batches."""
        return self.quotient(bottoms[0][1], 1)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Logarithms: of probabilities, of ways from the start to a state, of ways from it to the end."""
        times, samples, _ = bottoms[0]
        states = 2 * bottoms[1][1] + 1
        return {
            "logp": Workspace(bottoms[0], kept=True),
            "alpha": Workspace((samples * times * states,), "float64", kept=True),
            "beta": Workspace((samples * 2 * states,), "float64", use="backward"),
            "partial": Workspace((_parts(samples) * 2,), "float64", score=True),
            "norm": Workspace((1,), "float64", kept=True),
        }

    def forward(self, run: Run) -> Calls:
        """Logarithms of probabilities; the ways from the start; the mean."""
        from netspec.kernels import ctc

        samples, space = run.bottom[0].shape[1], run.workspace
        yield Call(ctc.log_softmax, run.bottom[0], space["logp"])
        arrays = space["logp"], *self._given(run), space["alpha"], space["partial"]
        yield Call(ctc.ctc_forward, *arrays, self.blank, int(self.zero_infinity), parts=_parts(samples))
        yield mean_of(run, self.divisor(samples, 1))

    def backward(self, run: Run) -> Calls:
        """The ways to the end, and the gradient, sample by sample."""
        from netspec.kernels import ctc

        if run.bottom_diff[0] is not None:
            samples, space = run.bottom[0].shape[1], run.workspace
            arrays = space["logp"], *self._given(run), space["alpha"], space["beta"], run.top_diff[0], space["norm"]
            settings = self.blank, int(self.zero_infinity)
            yield Call(ctc.ctc_backward, *arrays, run.bottom_diff[0], *settings, parts=_parts(samples))

    def _given(self, run: Run) -> tuple[Array, Array, Array]:
        """Labels, steps and lengths; an array of no values where a bottom is left out."""
        import numpy as np

        none = np.empty(0, run.bottom[0].dtype)
        labels, steps, lengths = (*run.bottom[1:], none, none)[:3]
        return labels, steps, lengths

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The probabilities of the samples' labels."""
        ways, divisor = self._ways(arrays)
        losses = [Term(0) if self.zero_infinity and way.chance == 0 else -Term(way.chance).log() for way in ways]
        yield (reduce(add, losses) / divisor).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """For every score its probability, less the share of the ways that pass through its label at its step."""
        ways, divisor = self._ways(arrays)
        for index in indices(arrays.bottoms[0].shape):
            t, n, c = index
            way, slope = ways[n], Term(0)
            if way.chance > 0 and t < len(way.prob):
                slope = Term(way.prob[t][c])
                slope = slope - Term(way.through[t].get(c, 0.0)) / Term(way.chance)
                slope = slope * arrays.loss_weight / divisor
            yield slope.at("dx", index)

    def _ways(self, arrays: LayerArrays) -> tuple[list[_Ways], Term]:
        """The ways of each sample, and what the sum of the losses is divided by."""
        scores, labels = arrays.bottoms[:2]
        times, samples, _ = scores.shape
        steps, lengths = (
            [int(v) for v in arrays.bottoms[i].reshape(-1)] if len(arrays.bottoms) > i else None for i in (2, 3)
        )
        ways, number = [], 0
        for n in range(samples):
            given = [int(v) for v in labels[n]]
            row = given[: lengths[n]] if lengths else given[: [*given, self.blank].index(self.blank)]
            ways.append(_Ways(scores[: steps[n] if steps else times, n], row, self.blank))
            number += len(row)
        return ways, Term(max(1, self.divisor(samples, 1) or number))


class _Ways:
    """The ways of a row of labels through the steps of one sequence; scores: (T, C).

    `chance` is the probability of all ways, `through[t]` that of the ways that are at a label at step t, by label.
    """

    def __init__(self, scores: Array, row: list[int], blank: int) -> None:
        self.prob = [[softmax(step, c).value for c in range(len(step))] for step in scores.tolist()]
        self._states = [blank, *(state for label in row for state in (label, blank))]
        self.chance = sum(self._begun()[-1][-2:]) if self.prob else float(len(self._states) == 1)
        self.through: list[dict[int, float]] = []
        for begun, ended in zip(self._begun(), self._ended(), strict=True):
            self.through.append(defaultdict(float))
            for own, before, behind in zip(self._states, begun, ended, strict=True):
                self.through[-1][own] += before * behind

    def _begun(self) -> list[list[float]]:
        """For each step and state, the probability of the ways that come there."""
        rows: list[list[float]] = []
        for t, step in enumerate(self.prob):
            came = [self._came(rows[-1], s) if t else float(s < 2) for s in range(len(self._states))]
            rows.append([before * step[own] for before, own in zip(came, self._states, strict=True)])
        return rows

    def _ended(self) -> list[list[float]]:
        """For each step and state, the probability of the ways that go on from there to the end."""
        last = len(self._states)
        row, rows = [float(s >= last - 2) for s in range(last)], []
        for step in reversed(self.prob):
            rows.append(row)
            ahead = [behind * step[own] for behind, own in zip(row, self._states, strict=True)]
            row = [sum(ahead[r] for r in range(s, last) if self._follows(s, r)) for s in range(last)]
        return rows[::-1]

    def _came(self, now: list[float], s: int) -> float:
        return sum(now[r] for r in range(s + 1) if self._follows(r, s))

    def _follows(self, r: int, s: int) -> bool:
        """Whether a way may step from state r to state s."""
        skips = s % 2 == 1 and s > 1 and self._states[s] != self._states[s - 2]
        return s - 1 - skips <= r <= s


def _parts(samples: int) -> int:
    return max(1, min(MOST_PARTS, samples))
