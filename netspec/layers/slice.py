"""Slice: a blob cut into several along one axis. Source: Caffe slice_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count, counted
from netspec.layers.base import (
    ANY_LAYOUT,
    MANY,
    NOTHING,
    Abilities,
    Arity,
    BatchAxes,
    Layer,
    Passing,
    Purpose,
    one_axis,
)
from netspec.lowering.layout import memory_order

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class Slice(Layer):
    """Cut a blob along an axis.

    Bottom: x, any shape. Tops: its pieces in order, of equal length unless `slice_point` says where to cut. A single
    top is x as it is. Not in place.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: slice, type: Slice, top: [few, many], slice_point: 2}
"""

    tops: ClassVar[Arity] = MANY

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis that is cut; negative counts from the end."
    )
    slice_point: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("chunks", "slice_points", "split_points")] = Field(
        (), description="Where each top but the first begins; left out: equal tops."
    )
    slice_dim: int | None = Field(None, ge=0, description="Caffe's old word for `axis`.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return (self.axis if self.slice_dim is None else self.slice_dim) > 0

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> Slice:
        if self.slice_dim is not None and "axis" in self.model_fields_set:
            raise wrong("`axis` and `slice_dim` say the same", field="slice_dim", help="leave `slice_dim` out")
        tops = len(self.top_names())
        if self.slice_point and len(self.slice_point) != tops - 1:
            text = f"`slice_point` has {len(self.slice_point)} for {tops} top{'s' * (tops != 1)}, not {tops - 1}"
            raise wrong(text, field="slice_point", help="it says where each top but the first begins")
        if any(b <= a for a, b in pairwise(self.slice_point)):
            raise wrong("the values of `slice_point` must grow", field="slice_point")
        return self

    def identity(self) -> dict[str, Any]:
        """With `slice_dim` as the axis that it is."""
        return one_axis(super().identity(), "slice_dim")

    def _axis(self, shape: Shape) -> int:
        """The axis that is cut, counted from the front."""
        return axis_of(self.axis, shape) if self.slice_dim is None else axis_of(self.slice_dim, shape, "slice_dim")

    def _cuts(self, shape: Shape) -> tuple[int, ...]:
        """The position along the axis where each top begins, then the axis' length. Raises ShapeError."""
        size, tops = shape[self._axis(shape)], len(self.top_names())
        if self.slice_point:
            if self.slice_point[-1] >= size:
                values, last = counted(size, "value"), self.slice_point[-1]
                text = f"{{bottom[0]}} has only {values} along this axis, so that no top can begin at {last}"
                raise ShapeError(text, field=f"slice_point.{tops - 2}")
            return (0, *self.slice_point, size)
        if size % tops:
            help = "say with `slice_point` where to cut"
            raise ShapeError(
                f"the {counted(size, 'value')} of {{bottom[0]}} along this axis cannot be cut into {tops} equal tops",
                field="top",
                help=help,
            )
        return tuple(range(0, size + 1, size // tops))

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape, with the length of each piece along the axis."""
        axis, shape = self._axis(bottoms[0]), bottoms[0]
        return tuple((*shape[:axis], end - start, *shape[axis + 1 :]) for start, end in pairwise(self._cuts(shape)))

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The bottom's batch axis; but where `slice_point` cuts the batch, only the last top grows with it."""
        axis, tops = axes[0], len(self.top_names())
        if axis is not None and axis == self._axis(bottoms[0]) and self.slice_point:
            return (*(None,) * (tops - 1), axis)
        return (axis,) * tops

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """12 = 2+6+4."""
        cuts = self._cuts(bottoms[0])
        return f"{cuts[-1]} = {'+'.join(str(end - start) for start, end in pairwise(cuts))}" if len(cuts) > 2 else ""

    def receptive_fields(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> tuple[ReceptiveField, ...]:
        """The bottom's field, from the place where each top begins if the image is cut."""
        axis, (field,) = self._axis(bottoms[0]), fields
        cuts = self._cuts(bottoms[0])[:-1] if len(bottoms[0]) == 4 and axis >= 2 else ()
        return tuple(field.shifted(axis, cut) for cut in cuts) or super().receptive_fields(bottoms, fields)

    def moves(self, phase: Phase) -> Move:
        """Cut the array."""
        return self._cut

    def _cut(self, bottoms: Arrays) -> Arrays:
        before = (slice(None),) * self._axis(bottoms[0].shape)
        return tuple(bottoms[0][(*before, slice(*ends))] for ends in pairwise(self._cuts(bottoms[0].shape)))

    def aliases(self, phase: Phase) -> bool:
        """Whether there is only one top."""
        return len(self.top_names()) == 1

    def _blocks(self, run: Run) -> Iterator[tuple[int, int, int]]:
        """For each top: (values of its block, values of a block of the bottom, offset of its block in the bottom's)."""
        shape = run.bottom_shapes[0]
        axis, order = self._axis(shape), memory_order(len(shape), run.layout)
        inner = count(tuple(shape[i] for i in order[order.index(axis) + 1 :]))
        for start, end in pairwise(self._cuts(shape)):
            yield (end - start) * inner, shape[axis] * inner, start * inner

    def forward(self, run: Run) -> Calls:
        """Copy the blocks of the bottom into the tops."""
        from netspec.kernels import copy

        if len(run.top) > 1:
            for top, block in zip(run.top, self._blocks(run), strict=True):
                yield Call(copy.concat_backward, top, run.bottom[0], *block)

    def backward(self, run: Run) -> Calls:
        """Copy the blocks of each top's diff back."""
        from netspec.kernels import copy

        dx = run.bottom_diff[0]
        if dx is not None and len(run.top_diff) > 1:
            for diff, block in zip(run.top_diff, self._blocks(run), strict=True):
                yield Call(copy.concat_forward, diff, dx, *block)
