"""ArgMax: the indices of the top_k largest values, largest first, or the values. Source: Caffe argmax_layer.cpp.

Of equal values the one with the larger index comes first. NaN counts as larger than every number, so that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count, counted
from netspec.layers.base import NOTHING, Abilities, Layer, Purpose

MOST = 2**24
"""Values that can be told apart by an index that is held as float32."""


class ArgMax(Layer):
    """Find the largest values of each item, or along an axis. It has no gradient.

    Bottom: x, any shape (N, ...). Top: without `axis`, the indices within each item's values, (N, 1, top_k), followed
    by axes of length 1 where x has more than three; with `out_max_val` (N, 2, top_k, ...), the indices and then the
    values. With `axis`, the shape of x with that axis `top_k` long: the indices, or with `out_max_val` the values.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[3, 5]]}
- {name: ip, type: InnerProduct, num_output: 4, weight_filler: xavier}
- {name: best, type: ArgMax, bottom: ip, axis: 1, top_k: 2}
- {name: loss, type: Reduction, bottom: ip, operation: SUMSQ, loss_weight: 1}
"""
    differentiable: ClassVar[bool] = False

    out_max_val: bool = Field(False, description="Give the values too, or with `axis` instead of the indices.")
    top_k: Annotated[int, Aka("k", "topk")] = Field(1, gt=0, description="How many of the largest values.")
    axis: Annotated[int | None, Aka("dim")] = Field(
        None, description="The axis to look along; negative counts from the end; left out: all of an item's values."
    )

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis is None or self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """No backward."""
        return Abilities(reads=NOTHING)

    def _around(self, shape: Shape) -> tuple[int, int, int]:
        """(outer, dim, inner): each ranking is of `dim` values that lie `inner` apart. Raises ShapeError."""
        if self.axis is None:
            axis_of(0, shape, "bottom")
            outer, dim, inner = shape[0], count(shape[1:]), 1
        else:
            axis = axis_of(self.axis, shape)
            outer, dim, inner = count(shape[:axis]), shape[axis], count(shape[axis + 1 :])
        if self.top_k > dim:
            text = f"`top_k` {self.top_k} is more than the {counted(dim, 'value')} of {{bottom[0]}} to choose from"
            raise ShapeError(text, field="top_k")
        if dim > MOST:
            text = f"{{bottom[0]}} has {dim:,} values to choose from, but float32 holds indices up to {MOST:,} exactly"
            raise ShapeError(text, field="bottom")
        return outer, dim, inner

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """As the class says."""
        (shape,) = bottoms
        self._around(shape)
        if self.axis is None:
            return ((shape[0], 2 if self.out_max_val else 1, self.top_k, *(1,) * (len(shape) - 3)),)
        axis = axis_of(self.axis, shape)
        return ((*shape[:axis], self.top_k, *shape[axis + 1 :]),)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image without `axis`; along an axis of the image, all of that."""
        field = union(bottoms, fields)
        if self.axis is None or len(bottoms[0]) != 4:
            return field.whole(True, True)
        axis = axis_of(self.axis, bottoms[0])
        return field.whole(axis == 2, axis == 3)

    def forward(self, run: Run) -> Calls:
        """One pass: each place of the ranking looks for the largest value behind the one before."""
        from netspec.kernels import select

        outer, dim, inner = self._around(run.bottom_shapes[0])
        rows = 2 if self.axis is None and self.out_max_val else 1
        index_row = -1 if self.axis is not None and self.out_max_val else 0
        x, y = run.bottom[0].reshape(outer, dim, inner), run.top[0].reshape(outer, rows * self.top_k, inner)
        value_row = rows - 1 if self.out_max_val else -1
        yield Call(select.largest, x, y, self.top_k, index_row, value_row)

    def backward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()
