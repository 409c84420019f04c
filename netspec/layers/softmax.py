"""Softmax: y = exp(x) / sum of exp(x) over one axis.

Source: Caffe softmax_layer.cpp. The largest x is subtracted first, so that nothing overflows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shapes, axis_of, count
from netspec.core.worked import LayerArrays, Term, Worked, dot, indices, softmax
from netspec.layers._engine import Engine
from netspec.layers.base import TOP, Abilities, Purpose


class Softmax(Engine):
    """Turn scores into probabilities that add up to 1.

    Bottom: x, any shape with a class axis (N, C, ...). Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[4, 3, 5]]}
- {name: softmax, type: Softmax, axis: 1}
"""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis of the classes; negative counts from the end."
    )

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """Backward reads the top alone."""
        return Abilities(reads=TOP)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        axis_of(self.axis, bottoms[0])
        return bottoms

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field; the whole image along the axis of the classes, if that is an axis of the image."""
        axis = axis_of(self.axis, bottoms[0]) if len(bottoms[0]) == 4 else 0
        return union(bottoms, fields).whole(axis == 2, axis == 3)

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import softmax

        shape = self._around(run.top[0].shape)
        yield Call(softmax.softmax_forward, run.bottom[0].reshape(shape), run.top[0].reshape(shape))

    def backward(self, run: Run) -> Calls:
        """One pass over the top and its diff."""
        from netspec.kernels import softmax

        if run.bottom_diff[0] is not None:
            shape = self._around(run.top[0].shape)
            yield Call(
                softmax.softmax_backward,
                run.top[0].reshape(shape),
                run.top_diff[0].reshape(shape),
                run.bottom_diff[0].reshape(shape),
            )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """e^x over the sum of all e^x."""
        line, own = self._line(index)
        yield softmax(arrays.bottoms[0][line].tolist(), own).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """y (dy - sum of y dy) of every score."""
        y, dy = arrays.tops[0], arrays.top_diffs[0]
        for index in indices(y.shape):
            line, _ = self._line(index)
            yield (Term(y[index]) * (Term(dy[index]) - dot(y[line], dy[line]))).at("dx", index)

    def _line(self, index: tuple[int, ...]) -> tuple[Any, int]:
        """The scores that a value's probability is made of, and its place among them."""
        axis = self.axis % len(index)
        return (*index[:axis], slice(None), *index[axis + 1 :]), index[axis]

    def _around(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(outer, C, inner)."""
        axis = axis_of(self.axis, shape)
        return count(shape[:axis]), shape[axis], count(shape[axis + 1 :])
