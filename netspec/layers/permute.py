"""Permute: the axes of a blob in another order. Source: the Permute layer of SSD's Caffe (Liu et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Phase
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.layers._moving import MovingLayer
from netspec.layers.base import BatchAxes, Purpose
from netspec.lowering.moving import Route, Step, steps

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class Permute(MovingLayer):
    """Put the axes of a blob in another order.

    Bottom: x, any shape. Top: y, whose axis i is axis `order[i]` of x; axes that are not named follow in their own
    order. The batch may move to another axis.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: last, type: Permute, order: [0, 2, 3, 1]}
"""

    order: Annotated[Listed[Annotated[int, Field(ge=0)]], Aka("axes", "dims", "perm")] = Field(
        description="The bottom's axis that each of the top's axes is.", min_length=1
    )

    @model_validator(mode="after")
    def _check(self) -> Permute:
        if len({*self.order}) < len(self.order):
            raise wrong("`order` names an axis twice", field="order")
        return self

    @property
    def alone(self) -> bool:
        """Where the items stay the first axis."""
        return self.order[0] == 0

    def _order(self, x: Shape) -> tuple[int, ...]:
        """The bottom's axis that each of the top's axes is. Raises ShapeError."""
        for i, axis in enumerate(self.order):
            if axis >= len(x):
                raise ShapeError(f"axis {axis} does not exist in {{bottom[0]}}", field=f"order.{i}")
        return (*self.order, *(axis for axis in range(len(x)) if axis not in self.order))

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's lengths in the new order."""
        return (tuple(bottoms[0][axis] for axis in self._order(bottoms[0])),)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field; the whole of each of the image's axes that is now at another place."""
        field, order = union(bottoms, fields), self._order(bottoms[0])
        moved = [axis != i for i, axis in enumerate(order)][2 : 2 + len(field.axes)]
        return field.whole(*(own and bool(reach) for own, reach in zip(moved, field.axes, strict=False)))

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The place that the bottom's batch axis moves to."""
        return (None if axes[0] is None else self._order(bottoms[0]).index(axes[0]),)

    def moves(self, phase: Phase) -> Move:
        """Turn the array."""
        return self._turned

    def _turned(self, bottoms: Arrays) -> Arrays:
        return (bottoms[0].transpose(self._order(bottoms[0].shape)),)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """Each axis of y with its step in x."""
        (top,), of_x = self.top_shapes(bottoms), steps(bottoms[0], layout)
        sources = (of_x[axis] for axis in self._order(bottoms[0]))
        return Route(tuple(map(Step, top, sources, steps(top, layout))))
