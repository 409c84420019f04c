"""InfogainLoss: the mean over positions of the sum over classes c of -H[label, c] ln max(softmax(x)[c], 1e-20).

With the unit matrix as H it is SoftmaxWithLoss, whose class weights stand on a diagonal H.
Source: Caffe infogain_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.locate import expanded
from netspec.core.model import Aka, SpecPath
from netspec.core.shape import ShapeError, Shapes, axis_of, count, text
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, indices, softmax, total
from netspec.formats.blob_proto import BlobProto, read_blob
from netspec.formats.files import about
from netspec.layers._loss import LabelLoss, Quotient, chances, constant, cut, mean_of, place_of, positions
from netspec.layers.base import BOTTOM, TOP, Abilities, Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array

_ROOM = 1024
"""Bytes that a matrix's file may have beside its numbers."""


class InfogainLoss(LabelLoss):
    """The logistic loss of scores, where a matrix says what each class is worth for each label.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...), perhaps the matrix H, C * C values, a row for each label; else
    `source` names the file that holds H. Top: the loss, a scalar; on request, the probabilities (N, C, ...). As in
    Caffe there is no `normalize` here.
    """

    bottoms: ClassVar[Arity] = Arity(2, 3)
    tops: ClassVar[Arity] = Arity(1, 2)
    no_diff: ClassVar[frozenset[int]] = frozenset({1, 2})
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
- name: gain
  type: DummyData
  shape: [3, 3]
  data_filler: {type: values, values: [[1, 0, 0], [0, 1, 0.5], [0, 0.5, 1]]}
- {name: ip, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier}
- {name: loss, type: InfogainLoss, bottom: [ip, label, gain]}
"""

    source: SpecPath | None = Field(None, description="The file of the matrix H, a BlobProto (.binaryproto).")
    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis of the classes; negative counts from the end."
    )

    def identity(self) -> dict[str, Any]:
        """Without the place of the matrix, which may differ where the net is the same."""
        return {name: value for name, value in super().identity().items() if name != "source"}

    @property
    def abilities(self) -> Abilities:
        """Backward reads the labels and the matrix, and the probabilities where they are a top."""
        return Abilities(reads=BOTTOM | TOP)

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]]:
        """The softmax over the classes."""
        return "Softmax", {"axis": self.axis}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and the scores' shape for a second top."""
        classes, given = positions(bottoms[:2], self.axis)[1], len(bottoms) > 2
        if given and self.source is not None:
            raise ShapeError("the matrix is given twice, by `source` and by {bottom[2]}", field="source")
        if not given and self.source is None:
            help = "give `source`, or a third bottom"
            raise ShapeError("there is no matrix for the labels {bottom[1]}", field="bottom", help=help)
        if given:
            held, field, what = bottoms[2], "bottom.2", "{bottom[2]}"
        else:
            held, field, what = self._matrix(classes).shape, "source", f"the matrix in '{self.source}'"
        if count(held) != classes**2:
            wanted = f"{classes}*{classes} = {classes**2} values, for the classes of {{bottom[0]}}"
            raise ShapeError(f"{what} is {text(held)}, and should have {wanted}", field=field)
        return ((), bottoms[0])[: len(self.top_names())]

    def _matrix(self, classes: int) -> BlobProto:
        """The matrix of `source`. Raises FileError."""
        place = self.place("source")
        base = place.source.folder if place else Path()
        with about("source"):
            return read_blob(base / expanded(self.source or ""), _ROOM + 32 * classes**2)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores."""
        return {1: (positions(bottoms[:2], self.axis)[1], self.ignore_label)}

    def task(self, bottoms: Shapes) -> Task:
        """One of the classes."""
        return Task("classes", axis=self.axis, ignore=self.ignore_label)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all positions of all batches."""
        outer, _, inner = positions(bottoms[:2], self.axis)
        return self.quotient(outer, inner)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The probabilities, unless they are a top; a number for each position; each part's sum."""
        return chances(bottoms[0], count(bottoms[1]), len(self.top_names()) > 1)

    def forward(self, run: Run) -> Calls:
        """Probabilities and each part's loss; then their mean."""
        from netspec.kernels import loss_softmax

        shape = self._positions(run)
        scores, prob = run.bottom[0].reshape(shape), self._prob(run).reshape(shape)
        arrays = scores, run.bottom[1], self._gain(run), prob, run.workspace["each"], run.workspace["partial"]
        yield Call(loss_softmax.infogain_forward, *arrays, *self.ignoring, parts=cut(scores.size))
        yield mean_of(run, self.divisor(shape[0], shape[2]))

    def backward(self, run: Run) -> Calls:
        """One pass over the probabilities."""
        from netspec.kernels import loss_softmax

        if run.bottom_diff[0] is not None:
            shape = self._positions(run)
            prob, dx = self._prob(run).reshape(shape), run.bottom_diff[0].reshape(shape)
            arrays = prob, run.bottom[1], self._gain(run), run.top_diff[0], run.workspace["norm"], dx
            yield Call(loss_softmax.infogain_backward, *arrays, *self.ignoring)

    def _gain(self, run: Run) -> Array:
        """H (C, C)."""
        classes = self._positions(run)[1]
        if len(run.bottom) > 2:
            return run.bottom[2].reshape(classes, classes)
        return constant(self._matrix(classes).data.astype(run.bottom[0].dtype).reshape(classes, classes))

    def _positions(self, run: Run) -> tuple[int, int, int]:
        return positions((run.bottom[0].shape, run.bottom[1].shape), self.axis)

    def _prob(self, run: Run) -> Array:
        return run.top[1] if len(run.top) == 2 else run.workspace["prob"]

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The loss of all positions."""
        from netspec.kernels.loss_softmax import FLOOR

        places, divisor = self._counting(arrays)
        losses = [
            -Term(worth) * Term(max(FLOOR, softmax(row, c).value)).log()
            for row, worths in places.values()
            for c, worth in enumerate(worths)
        ]
        yield (total(losses) / divisor).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """For every score, its probability times what all classes are worth, less what its own is worth."""
        (places, divisor), shape = self._counting(arrays), arrays.bottoms[0].shape
        axis = axis_of(self.axis, shape)
        for index in indices(shape):
            place, c = place_of(index, shape, axis), index[axis]
            slope = Term(0)
            if place in places:
                row, worths = places[place]
                slope = Term(softmax(row, c).value) * total([Term(each) for each in worths]) - Term(worths[c])
                slope = slope * arrays.loss_weight / divisor
            yield slope.at("dx", index)

    def _counting(self, arrays: LayerArrays) -> tuple[dict[int, tuple[list[float], list[float]]], Term]:
        """Scores and worths of each position that counts, and what the sum of the losses is divided by."""
        scores, labels = arrays.bottoms[:2]
        outer, classes, inner = positions((scores.shape, labels.shape), self.axis)
        given = arrays.bottoms[2] if len(arrays.bottoms) > 2 else self._matrix(classes).data
        gain, flat = given.reshape(classes, classes), scores.reshape(outer, classes, inner)
        own, counted = labels.reshape(-1).tolist(), self.counted(labels)
        places = {p: (flat[p // inner, :, p % inner].tolist(), gain[int(own[p])].tolist()) for p in counted}
        return places, Term(max(1, self.divisor(outer, inner) or len(counted)))
