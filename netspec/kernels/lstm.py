"""LSTM: its walk through time, and a single step. Arrays lie as in `recurrent`; gates come in the order i, f, o, g."""

from __future__ import annotations

from netspec.codegen.geometry import ADD, Marks, Walk
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Array3, Doubles, Matrix, Vector
from netspec.kernels.recurrent import add_diff, add_state, counts, hold, kept, shares
from netspec.kernels.recurrent_units import (
    clear_row,
    lstm_unit,
    lstm_unit_diff,
    peephole_unit,
    peephole_unit_diff,
    scale_row,
)


@kernel
def lstm_forward(
    gates: Array3, w: Matrix, peephole: Vector, hidden: Array3, cells: Array3, y: Vector, marks: Marks, walk: Walk,
    part: int, parts: int,
) -> None:  # fmt: skip
    """Cells and outputs, as `lstm_unit` says. w: (H, 4H) transposed; peephole: (3H,) or empty.

    gates: (T, N, 4H) in the order i, f, o, g; hidden, cells: (T+1, N, H), y: (T*N*pitch,).
    """
    t, n, h = gates.shape[0], gates.shape[1], hidden.shape[2]
    g, state, cell, none = gates.reshape(gates.size), hidden.reshape(hidden.size), cells.reshape(cells.size), y[:0]
    first, last, left, right = shares(n, h, walk, part, parts)
    width = right - left
    for s in range(walk.begin, walk.end):
        time = t - 1 - s if walk.reverse else s
        read, write = (time + walk.reverse) * n * h, (time + 1 - walk.reverse) * n * h
        at = (time * n + first) * 4 * h
        add_state(state, read + first * h, w, g, at, h, none, ADD, walk, last - first, left, right)
        for row in range(first, last):
            j, top = row * h + left, (time * n + row) * walk.pitch + walk.offset + left
            keep, i = kept(marks, time, row, t, n, walk.reverse), (time * n + row) * 4 * h + left
            if not counts(marks, time, row):
                hold(state, read + j, write + j, y, top, width, keep)
                scale_row(width, cell, read + j, cell, write + j, keep)
            elif peephole.size:
                peephole_unit(
                    width, g, i, g, i + h, g, i + 2 * h, g, i + 3 * h, peephole, left, peephole, left + h, peephole,
                    left + 2 * h, cell, read + j, cell, write + j, state, write + j, y, top, keep,
                )  # fmt: skip
            else:
                lstm_unit(
                    width, g, i, g, i + h, g, i + 2 * h, g, i + 3 * h, cell, read + j, cell, write + j, state,
                    write + j, y, top, keep,
                )  # fmt: skip


@kernel
def lstm_backward(
    gates: Array3, cells: Array3, dy: Vector, w: Matrix, peephole: Vector, dgates: Array3, dh: Matrix, dc: Matrix,
    marks: Marks, walk: Walk, part: int, parts: int,
) -> None:  # fmt: skip
    """dgates (T, N, 4H), from the last step of the walk to the first; w: (4H, H) as it is.

    dh, dc (N, H): the gradients of the states after the steps, then of those before them (dh but for the last product).
    """
    t, n, h = gates.shape[0], gates.shape[1], dh.shape[1]
    g, d, cell = gates.reshape(gates.size), dgates.reshape(dgates.size), cells.reshape(cells.size)
    state, memory = dh.reshape(dh.size), dc.reshape(dc.size)
    first, last, left, right = shares(n, h, walk, part, parts)
    width = right - left
    for s in range(walk.begin, walk.end):
        time = s if walk.reverse else t - 1 - s
        if s > 0:
            later = (time - 1 if walk.reverse else time + 1) * n
            add_diff(d, (later + first) * 4 * h, w, state, first * h, walk, last - first, left, right)
        for row in range(first, last):
            j, top = row * h + left, (time * n + row) * walk.pitch + walk.offset + left
            keep, i = kept(marks, time, row, t, n, walk.reverse), (time * n + row) * 4 * h + left
            past = (time + walk.reverse) * n * h + j
            if not counts(marks, time, row):
                for gate in range(4):
                    clear_row(width, d, i + gate * h)
                scale_row(width, state, j, state, j, keep)
                scale_row(width, memory, j, memory, j, keep)
            elif peephole.size:
                peephole_unit_diff(
                    width, g, i, g, i + h, g, i + 2 * h, g, i + 3 * h, peephole, left, peephole, left + h, peephole,
                    left + 2 * h, cell, past, dy, top, state, j, memory, j, d, i, d, i + h, d, i + 2 * h, d, i + 3 * h,
                    keep,
                )  # fmt: skip
            else:
                lstm_unit_diff(
                    width, g, i, g, i + h, g, i + 2 * h, g, i + 3 * h, cell, past, dy, top, state, j, memory, j,
                    d, i, d, i + h, d, i + 2 * h, d, i + 3 * h, keep,
                )  # fmt: skip


@kernel
def peephole_diff(
    gates: Array3, cells: Array3, dgates: Array3, dp: Matrix, sums: Doubles, add: int, reverse: int, part: int,
    parts: int,
) -> None:  # fmt: skip
    """dp (3, H) = (or +=, with `add`) the sums over all steps and rows of a gate's gradient times the cell it saw.

    gates, dgates: (T, N, 4H), cells: (T+1, N, H), sums: (3*H,). A part owns hidden units.
    """
    t, n, h = gates.shape[0], gates.shape[1], dp.shape[1]
    first, last = span(h, part, parts)
    for j in range(first, last):
        for gate in range(3):
            sums[gate * h + j] = dp[gate, j] if add else 0.0
    for time in range(t):
        for row in range(n):
            g, d, past = gates[time, row], dgates[time, row], cells[time + reverse, row]
            for j in range(first, last):
                cell = g[h + j] * past[j] + g[j] * g[3 * h + j]
                sums[j] += d[j] * past[j]
                sums[h + j] += d[h + j] * past[j]
                sums[2 * h + j] += d[2 * h + j] * cell
    for j in range(first, last):
        for gate in range(3):
            dp[gate, j] = sums[gate * h + j]


@kernel
def lstm_unit_forward(
    past: Matrix, gates: Matrix, cont: Vector, bent: Matrix, cell: Matrix, y: Matrix, part: int, parts: int
) -> None:
    """A single step. past, cell, y: (N, H), gates, bent: (N, 4H), cont: (N,). `bent` takes the bent gates."""
    n, h = past.shape
    before, b, c, top = past.reshape(n * h), bent.reshape(bent.size), cell.reshape(n * h), y.reshape(n * h)
    g, one = gates.reshape(gates.size), past.dtype.type(1)
    for row in range(*span(n, part, parts)):
        i, j = row * 4 * h, row * h
        scale_row(4 * h, g, i, b, i, one)
        scale_row(h, before, j, c, j, cont[row])
        lstm_unit(h, b, i, b, i + h, b, i + 2 * h, b, i + 3 * h, c, j, c, j, top, j, top, j, one)


@kernel
def lstm_unit_backward(
    past: Matrix, bent: Matrix, cont: Vector, dcell: Matrix, dy: Matrix, scratch: Array3, dpast: Matrix, dgates: Matrix,
    part: int, parts: int,
) -> None:  # fmt: skip
    """The gradients of `lstm_unit_forward`. past, dcell, dy, dpast: (N, H), bent, dgates: (N, 4H), cont: (N,).

    scratch: (2, N, H).
    """
    n, h = past.shape
    before, b, top, space = past.reshape(n * h), bent.reshape(bent.size), dy.reshape(n * h), scratch.reshape(2 * n * h)
    d, memory, after, one = dgates.reshape(dgates.size), dpast.reshape(n * h), dcell.reshape(n * h), past.dtype.type(1)
    for row in range(*span(n, part, parts)):
        i, j, nothing = row * 4 * h, row * h, (n + row) * h
        scale_row(h, before, j, space, j, cont[row])
        clear_row(h, space, nothing)
        scale_row(h, after, j, memory, j, one)
        lstm_unit_diff(
            h, b, i, b, i + h, b, i + 2 * h, b, i + 3 * h, space, j, top, j, space, nothing, memory, j,
            d, i, d, i + h, d, i + 2 * h, d, i + 3 * h, one,
        )  # fmt: skip
        scale_row(h, memory, j, memory, j, cont[row])
