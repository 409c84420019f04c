"""Values that move: a layer's axes, with the steps that each takes in memory, become blocks for kernels/moving.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from netspec.codegen.geometry import Moved
from netspec.core.calls import Call
from netspec.core.shape import Shape, count
from netspec.lowering.layout import memory_order

if TYPE_CHECKING:
    from netspec.core.calls import Array

CHUNK, TILE, HIGH = 4096, 128, 512
"""Values of a block of rows that are copied at a time; columns and rows of a block that is turned."""


class Step(NamedTuple):
    """An axis along which values are copied: its length, and the distance of neighbours in both arrays."""

    length: int
    of_x: int
    of_y: int


class Route(NamedTuple):
    """The way of values from x, from place x0 on, to y, from y0 on."""

    axes: tuple[Step, ...]
    x0: int = 0
    y0: int = 0

    def back(self) -> Route:
        """The way from y to x."""
        return Route(tuple(Step(length, of_y, of_x) for length, of_x, of_y in self.axes), self.y0, self.x0)


def steps(shape: Shape, layout: str) -> tuple[int, ...]:
    """The distance of neighbours along each axis of a blob, in its layout."""
    result, step = [0] * len(shape), 1
    for axis in reversed(memory_order(len(shape), layout)):
        result[axis] = step
        step *= shape[axis]
    return tuple(result)


def moving(x: Array, y: Array, route: Route) -> Call:
    """The Call that copies x to y along all axes of a route; no two values go to one place."""
    import numpy as np

    from netspec.kernels import moving as loops

    outer, moved = _moved(_merged(route.axes), route.x0, route.y0)
    return Call(loops.move_blocks, y, x, np.array(outer, np.int64).reshape(-1), moved)


def _merged(axes: Iterable[Step]) -> list[Step]:
    """The axes in their order in y, those that follow each other in both arrays as one."""
    merged: list[Step] = []
    for axis in sorted((axis for axis in axes if axis.length != 1), key=lambda axis: -axis.of_y):
        last = merged[-1] if merged else None
        if last and (last.of_x, last.of_y) == (axis.length * axis.of_x, axis.length * axis.of_y):
            merged[-1] = Step(last.length * axis.length, axis.of_x, axis.of_y)
        else:
            merged.append(axis)
    return merged


def _moved(axes: list[Step], x0: int, y0: int) -> tuple[list[Step], Moved]:
    """The axes around the blocks, and the blocks: of rows that lie side by side, or else turned from x to y."""
    near = next((axis for axis in axes if axis.of_x == 1), None)
    if near and near.of_y != 1 and axes[-1].of_y == 1:
        columns, rows = near, axes[-1]
        tall, wide = HIGH, TILE
    else:
        columns = axes[-1] if axes else Step(1, 1, 1)
        rows = axes[-2] if len(axes) > 1 else Step(1, 0, 0)
        wide = CHUNK
        tall = max(1, CHUNK // columns.length)
    outer = [axis for axis in axes if axis not in (columns, rows)]
    blocks = count(axis.length for axis in outer)
    return outer, Moved(x0, y0, blocks, *_line(rows), *_line(columns), tall, wide)


def _line(axis: Step) -> tuple[int, int, int]:
    return axis.length, axis.of_x, axis.of_y
