"""Tile: a blob repeated along an axis. Source: Caffe tile_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, Shapes, axis_of, count
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Passing, Purpose
from netspec.lowering.layout import memory_order
from netspec.lowering.moving import Route, Step, moving

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class Tile(Layer):
    """Repeat a blob along an axis.

    Bottom: x, any shape. Top: y, x `tiles` times, one behind the other along `axis`. The gradient is the sum over the
    repeats. Not in place.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: tile, type: Tile, tiles: 3, axis: 2}
"""

    axis: Annotated[int, Aka("dim")] = Field(
        1, description="The axis along which it is repeated; negative counts from the end."
    )
    tiles: Annotated[int, Aka("multiples", "repeats")] = Field(gt=0, description="How often x stands in the top.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape, longer along `axis`."""
        x = bottoms[0]
        axis = axis_of(self.axis, x)
        return ((*x[:axis], x[axis] * self.tiles, *x[axis + 1 :]),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """5*3 = 15."""
        size = bottoms[0][axis_of(self.axis, bottoms[0])]
        return f"{size}*{self.tiles} = {size * self.tiles}"

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field; the whole of the image along the axis that is repeated."""
        field, axis = union(bottoms, fields), axis_of(self.axis, bottoms[0])
        if self.tiles == 1 or len(bottoms[0]) != 2 + len(field.axes):
            return field
        return field.whole(*(axis == 2 + i and bool(reach) for i, reach in enumerate(field.axes)))

    def moves(self, phase: Phase) -> Move:
        """Repeat the array."""
        return self._repeated

    def _repeated(self, bottoms: Arrays) -> Arrays:
        import numpy as np

        axis = axis_of(self.axis, bottoms[0].shape)
        return (np.concatenate(bottoms * self.tiles, axis),)

    def _block(self, x: Shape, layout: str) -> int:
        """Number of values that are repeated one behind the other."""
        order = memory_order(len(x), layout)
        return count(x[axis] for axis in order[order.index(axis_of(self.axis, x)) :])

    def forward(self, run: Run) -> Calls:
        """Copy each block several times."""
        width, tiles = self._block(run.bottom_shapes[0], run.layout), self.tiles
        axes = Step(run.bottom[0].size // width, width, tiles * width), Step(tiles, 0, width), Step(width, 1, 1)
        yield moving(run.bottom[0], run.top[0], Route(axes))

    def backward(self, run: Run) -> Calls:
        """Add the repeats of each block."""
        from netspec.kernels import moving as loops

        dx, width = run.bottom_diff[0], self._block(run.bottom_shapes[0], run.layout)
        if dx is not None:
            yield Call(loops.add_repeats, run.top_diff[0], dx, width, self.tiles)
