"""Crop: the part of a blob that is as large as another. Source: Caffe crop_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Phase
from netspec.core.model import Aka, Listed
from netspec.core.receptive import ReceptiveField
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, each_axis
from netspec.layers._moving import MovingLayer
from netspec.layers.base import TWO, Arity, BatchAxes, Passing, Purpose
from netspec.lowering.moving import Route, Step, steps

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class Crop(MovingLayer):
    """Cut a blob to the size of another.

    Bottoms: x, any shape, and a blob of as many axes whose lengths from `axis` on the top takes; its values do not
    count, and it gets no gradient. Top: y = x from `offset` on, with x's lengths before `axis`.
    """

    bottoms: ClassVar[Arity] = TWO
    no_diff: ClassVar[frozenset[int]] = frozenset({1})
    shape_only: ClassVar[frozenset[int]] = frozenset({1})
    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [x, like], shape: [[2, 3, 6, 5], [2, 3, 4, 2]]}
- {name: crop, type: Crop, offset: [1, 2], bottom: [x, like]}
"""

    axis: Annotated[int, Aka("dim")] = Field(
        2, description="The first axis that is cut, with all behind it; negative counts from the end."
    )
    offset: Annotated[Listed[Annotated[int, Field(ge=0)]], Aka("offsets", "start")] = Field(
        (), description="Where the cut begins (default 0): one for all axes, or one for each axis that is cut."
    )

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def passing(self) -> Passing:
        """Nothing is known: zeros of the other blob do not count."""
        return Passing()

    def _starts(self, x: Shape) -> tuple[int, ...]:
        """Where the cut begins along each axis of x. Raises ShapeError."""
        axis = axis_of(self.axis, x)
        return (*(0,) * axis, *each_axis(self.offset or (0,), len(x) - axis, "offset", "cut"))

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The lengths of x before `axis`, and those of the other blob from there on."""
        x, like = bottoms
        axis, starts = axis_of(self.axis, x), self._starts(x)
        if len(like) != len(x):
            raise ShapeError("{bottom[1]} must have as many axes as {bottom[0]}", field="bottom.1")
        for i in range(axis, len(x)):
            if starts[i] + like[i] > x[i]:
                text = f"{like[i]} from {starts[i]} on is past the end of {{bottom[0]}} along axis {i}"
                field = "bottom.1" if not self.offset else f"offset.{i - axis}" if len(self.offset) > 1 else "offset"
                raise ShapeError(text, field=field)
        return ((*x[:axis], *like[axis:]),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """5 = 1+3+1, the lengths before, in and behind the cut, for each axis that is cut."""
        (top,), starts = self.top_shapes(bottoms), self._starts(bottoms[0])
        cut = [(size, start, own) for size, start, own in zip(bottoms[0], starts, top, strict=True) if own != size]
        return ", ".join(f"{size} = {start}+{own}+{size - start - own}" for size, start, own in cut)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The field of x from where the cut begins; the other blob is not looked at."""
        field, starts = fields[0], self._starts(bottoms[0])
        for axis in range(2, len(starts)) if len(starts) == 2 + len(field.axes) else ():
            field = field.shifted(axis, starts[axis])
        return field

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The batch axis of the blob that the length there is taken from."""
        first = axis_of(self.axis, bottoms[0])
        before, behind = axes
        if before is not None and before < first:
            return (before,)
        return (behind if behind is not None and behind >= first else None,)

    def moves(self, phase: Phase) -> Move:
        """Cut the array."""
        return self._cut

    def _cut(self, bottoms: Arrays) -> Arrays:
        x, like = bottoms
        (top,) = self.top_shapes((x.shape, like.shape))
        return (x[tuple(slice(a, a + size) for a, size in zip(self._starts(x.shape), top, strict=True))],)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """The axes of the top, from where the cut begins in x."""
        (top,), of_x = self.top_shapes(bottoms), steps(bottoms[0], layout)
        x0 = sum(start * step for start, step in zip(self._starts(bottoms[0]), of_x, strict=True))
        return Route(tuple(map(Step, top, of_x, steps(top, layout))), x0=x0)
