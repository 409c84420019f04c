"""GRU: its walk through time. Arrays lie as in `recurrent`; gates come in the order r, z, n."""

from __future__ import annotations

from netspec.codegen.geometry import Marks, Walk
from netspec.codegen.kernel import kernel
from netspec.codegen.kinds import Array3, Matrix, Vector
from netspec.kernels.recurrent import add_diff, add_state, counts, hold, kept, shares
from netspec.kernels.recurrent_units import clear_row, gru_unit, gru_unit_diff, scale_row


@kernel
def gru_forward(
    gates: Array3, w: Matrix, bias: Vector, own: Array3, hidden: Array3, y: Vector, marks: Marks, walk: Walk,
    part: int, parts: int,
) -> None:  # fmt: skip
    """Outputs, as `gru_unit` says. w: (H, 3H) transposed, bias: (3H,), both of the state.

    gates: (T, N, 3H) in the order r, z, n; own (T, N, 3H) takes what the state adds to each gate.
    """
    t, n, h = gates.shape[0], gates.shape[1], hidden.shape[2]
    g, state, o = gates.reshape(gates.size), hidden.reshape(hidden.size), own.reshape(own.size)
    first, last, left, right = shares(n, h, walk, part, parts)
    width = right - left
    for s in range(walk.begin, walk.end):
        time = t - 1 - s if walk.reverse else s
        read, write = (time + walk.reverse) * n * h, (time + 1 - walk.reverse) * n * h
        at = (time * n + first) * 3 * h
        add_state(state, read + first * h, w, o, at, h, bias, 0, walk, last - first, left, right)
        for row in range(first, last):
            j, top = row * h + left, (time * n + row) * walk.pitch + walk.offset + left
            keep, i = kept(marks, time, row, t, n, walk.reverse), (time * n + row) * 3 * h + left
            if counts(marks, time, row):
                gru_unit(
                    width, g, i, g, i + h, g, i + 2 * h, o, i, o, i + h, o, i + 2 * h, state, read + j, state,
                    write + j, y, top, keep,
                )  # fmt: skip
            else:
                hold(state, read + j, write + j, y, top, width, keep)


@kernel
def gru_backward(
    gates: Array3, own: Array3, hidden: Array3, dy: Vector, w: Matrix, dgates: Array3, down: Array3, dh: Matrix,
    marks: Marks, walk: Walk, part: int, parts: int,
) -> None:  # fmt: skip
    """dgates, down (T, N, 3H), from the last step of the walk to the first; w: (3H, H) as it is.

    dh (N, H): the gradient of the state after the steps, then, but for the last product, of that before them.
    """
    t, n, h = gates.shape[0], gates.shape[1], dh.shape[1]
    g, o, state, past = (
        gates.reshape(gates.size),
        own.reshape(own.size),
        dh.reshape(dh.size),
        hidden.reshape(hidden.size),
    )
    d, e = dgates.reshape(dgates.size), down.reshape(down.size)
    first, last, left, right = shares(n, h, walk, part, parts)
    width = right - left
    for s in range(walk.begin, walk.end):
        time = s if walk.reverse else t - 1 - s
        if s > 0:
            later = (time - 1 if walk.reverse else time + 1) * n
            add_diff(e, (later + first) * 3 * h, w, state, first * h, walk, last - first, left, right)
        for row in range(first, last):
            j, top = row * h + left, (time * n + row) * walk.pitch + walk.offset + left
            keep, i = kept(marks, time, row, t, n, walk.reverse), (time * n + row) * 3 * h + left
            if counts(marks, time, row):
                gru_unit_diff(
                    width, g, i, g, i + h, g, i + 2 * h, o, i + 2 * h, past, (time + walk.reverse) * n * h + j,
                    dy, top, state, j, d, i, d, i + h, d, i + 2 * h, e, i, e, i + h, e, i + 2 * h, keep,
                )  # fmt: skip
            else:
                for gate in range(3):
                    clear_row(width, d, i + gate * h)
                    clear_row(width, e, i + gate * h)
                scale_row(width, state, j, state, j, keep)
