"""Values that move: blocks of any strides copied, added up, and gathered by tables of places.

x and y are flat. Layers say with `lowering/moving.py` where each value comes from.
"""

from __future__ import annotations

from netspec.codegen.geometry import Moved
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.kernels.copy import CHUNK, FEW, move, turn


@kernel
def move_blocks(y: Vector, x: Vector, outer: Clock, moved: Moved, part: int, parts: int) -> None:
    """y[y0 + steps in y] = x[x0 + steps in x] for every index of `outer` and of the block's rows and columns.

    `outer` holds for each axis around the blocks its length, its step in x and its step in y.
    """
    across = (moved.columns + moved.wide - 1) // moved.wide
    down = (moved.rows + moved.tall - 1) // moved.tall
    for unit in range(*span(moved.blocks * down * across, part, parts)):
        rest, i, j = unit // across // down, unit // across % down * moved.tall, unit % across * moved.wide
        frm = moved.x0 + i * moved.row_x + j * moved.column_x
        to = moved.y0 + i * moved.row_y + j * moved.column_y
        for axis in range(outer.size - 3, -3, -3):
            step = rest % outer[axis]
            rest //= outer[axis]
            frm += step * outer[axis + 1]
            to += step * outer[axis + 2]
        block(x, frm, y, to, moved, min(moved.tall, moved.rows - i), min(moved.wide, moved.columns - j))


@helper
def block(x: Vector, frm: int, y: Vector, to: int, moved: Moved, rows: int, columns: int) -> None:
    """One block: by whole rows where both have their columns side by side, turned where x has columns and y rows."""
    if moved.column_x == 1 and moved.column_y == 1 and columns >= FEW:
        for i in range(rows):
            move(columns, x, frm + i * moved.row_x, y, to + i * moved.row_y)
    elif moved.column_x == 1 and moved.row_y == 1:
        turn(x, frm, moved.row_x, y, to, moved.column_y, rows, columns)
    else:
        for i in range(rows):
            for j in range(columns):
                y[to + i * moved.row_y + j * moved.column_y] = x[frm + i * moved.row_x + j * moved.column_x]


@rows()
def add_up(x: Row, y: Row, number: Whole, step: Whole) -> None:
    """y = the sum of `number` rows of x, `step` apart, taken in float64."""
    total = Variable(x.fill(0).double())
    for i in times(number):
        total.set(total.get() + x.get(i * step).double())
    y.put(total.get().to(y))


@kernel
def add_repeats(y: Vector, x: Vector, width: int, number: int, part: int, parts: int) -> None:
    """x: (M, width), y: (M, number, width), flat. x = the sum of each block's repeats in y."""
    chunks = (width + CHUNK - 1) // CHUNK
    for unit in range(*span(x.size // width * chunks, part, parts)):
        i, first = unit // chunks, unit % chunks * CHUNK
        add_up(min(CHUNK, width - first), y, i * number * width + first, x, i * width + first, number, width)
