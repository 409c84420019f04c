"""Recurrent layers: the parts of a step that all walks through time share, the RNN's walk, and what belongs to no step.

Letters: T steps, N rows of the batch, H hidden units, G gates of a unit. gates: (T, N, G*H), a unit's gates H values
apart; forward finds the part of x in them, adds that of the state, and leaves the bent values, which backward reads.
States, (T+1, N, H), hold what the step after them reads: `hidden[t]` is read at step t, `hidden[t+1]` in a walk in
reverse. They are multiplied with that step's mark already. Parts own rows, and hidden units: a walk of several steps in
one call has a part for each band of rows, so that no part reads a state that another writes.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, Marks, Walk
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Matrix, Vector
from netspec.codegen.tiles import Left, Result, Right, address
from netspec.kernels.copy import move
from netspec.kernels.inner_product import product_of
from netspec.kernels.recurrent_units import bent, bent_diff, clear_row, rnn_unit, rnn_unit_diff, scale_row


@helper
def counts(marks: Marks, time: int, row: int) -> bool:
    """Whether a step of a row counts: it lies before the row's length."""
    return marks.lengths.size == 0 or time + 0.5 < marks.lengths[row]


@helper
def kept(marks: Marks, time: int, row: int, steps: int, count: int, reverse: int) -> float:
    """The factor on a state that a step leaves: the mark of the boundary that the walk crosses next, or 1."""
    boundary = time + 1 - reverse
    if marks.cont.size == 0 or boundary == 0 or boundary == steps or not counts(marks, boundary, row):
        return marks.cont.dtype.type(1)  # type: ignore[no-any-return]
    return marks.cont[boundary * count + row]  # type: ignore[no-any-return]


@helper
def shares(n: int, h: int, walk: Walk, part: int, parts: int) -> tuple[int, int, int, int]:
    """First and one past the last row, and hidden unit, of a part."""
    high, wide, blocks = walk.grid.rows, walk.grid.width, parts // walk.bands
    first, last = span((n + high - 1) // high, part // blocks, walk.bands)
    left, right = span((h + wide - 1) // wide, part % blocks, blocks)
    return first * high, min(last * high, n), left * wide, min(right * wide, h)


@helper
def add_state(
    state: Vector, s0: int, w: Matrix, to: Vector, t0: int, h: int, bias: Vector, mode: int, walk: Walk,
    rows: int, left: int, right: int,
) -> None:  # fmt: skip
    """to[t0 ...] (rows, G*h) = state[s0 ...] (rows, h) w (h, G*h) + bias, added to where `mode` says ADD.

    Only the units from `left` to `right` of each gate are computed.
    """
    size, line, flat = state.itemsize, w.shape[1], w.reshape(w.size)
    whole = right - left == h  # then the gates lie side by side
    for first in range(left, line, line if whole else h):
        constant = address(bias, first) if bias.size else 0
        result = Result(address(to, t0 + first), line, constant, mode, 0)
        many, a, b = (
            line if whole else right - left,
            Left(address(state, s0), h, 1),
            Right(address(flat, first), 0, line),
        )
        product_of(walk.grid, rows, many, h, a, b, result, size)


@helper
def add_diff(d: Vector, d0: int, w: Matrix, dh: Vector, h0: int, walk: Walk, rows: int, left: int, right: int) -> None:
    """dh[h0 ...] (rows, H) += d[d0 ...] (rows, G*H) w (G*H, H), for the units from `left` to `right`."""
    (k, h), size = w.shape, d.itemsize
    a, b = Left(address(d, d0), k, 1), Right(address(w.reshape(w.size), left), 0, h)
    product_of(walk.grid, rows, right - left, k, a, b, Result(address(dh, h0 + left), h, 0, ADD, 0), size)


@helper
def hold(state: Vector, read: int, write: int, y: Vector, y0: int, width: int, keep: float) -> None:
    """A step that does not count: the state stays, the top is 0."""
    scale_row(width, state, read, state, write, keep)
    clear_row(width, y, y0)


@kernel
def enter(x: Matrix, marks: Marks, y: Matrix, reverse: int, part: int, parts: int) -> None:
    """y = the state x before a walk, where the first step's mark lets it in; serves backward too. x, y: (N, H)."""
    n, h = x.shape
    flat, to = x.reshape(x.size), y.reshape(y.size)
    for row in range(*span(n, part, parts)):
        marked = reverse == 0 and marks.cont.size > 0 and counts(marks, 0, row)
        scale_row(h, flat, row * h, to, row * h, marks.cont[row] if marked else x.dtype.type(1))


@kernel
def rnn_forward(
    gates: Array3, w: Matrix, hidden: Array3, y: Vector, marks: Marks, walk: Walk, part: int, parts: int
) -> None:
    """h = tanh(gate + w h). gates: (T, N, H), w: (H, H) transposed, hidden: (T+1, N, H), y: (T*N*pitch,)."""
    (t, n, h), g, state, none = gates.shape, gates.reshape(gates.size), hidden.reshape(hidden.size), y[:0]
    first, last, left, right = shares(n, h, walk, part, parts)
    for s in range(walk.begin, walk.end):
        time = t - 1 - s if walk.reverse else s
        read, write = (time + walk.reverse) * n * h, (time + 1 - walk.reverse) * n * h
        at = read + first * h
        add_state(state, at, w, g, (time * n + first) * h, h, none, ADD, walk, last - first, left, right)
        for row in range(first, last):
            j, top = row * h + left, (time * n + row) * walk.pitch + walk.offset + left
            keep = kept(marks, time, row, t, n, walk.reverse)
            if counts(marks, time, row):
                rnn_unit(right - left, g, time * n * h + j, state, write + j, y, top, keep)
            else:
                hold(state, read + j, write + j, y, top, right - left, keep)


@kernel
def rnn_backward(
    gates: Array3, dy: Vector, w: Matrix, dgates: Array3, dh: Matrix, marks: Marks, walk: Walk, part: int, parts: int
) -> None:
    """dgates (T, N, H), from the last step of the walk to the first; w: (H, H) as it is.

    dh (N, H): the gradient of the state after the steps, then, but for the last product, of that before them.
    """
    (t, n, h), g, d, state = gates.shape, gates.reshape(gates.size), dgates.reshape(dgates.size), dh.reshape(dh.size)
    first, last, left, right = shares(n, h, walk, part, parts)
    for s in range(walk.begin, walk.end):
        time = s if walk.reverse else t - 1 - s
        if s > 0:
            later = (time - 1 if walk.reverse else time + 1) * n * h
            add_diff(d, later + first * h, w, state, first * h, walk, last - first, left, right)
        for row in range(first, last):
            j = row * h + left
            at, top = time * n * h + j, (time * n + row) * walk.pitch + walk.offset + left
            keep = kept(marks, time, row, t, n, walk.reverse)
            if counts(marks, time, row):
                rnn_unit_diff(right - left, g, at, dy, top, state, j, d, at, keep)
            else:
                clear_row(right - left, d, at)
                scale_row(right - left, state, j, state, j, keep)


@kernel
def squash(x: Matrix, y: Vector, marks: Marks, pitch: int, offset: int, part: int, parts: int) -> None:
    """y = tanh(x), 0 at steps that do not count. x: (T*N, H), y: (T*N*pitch,)."""
    (many, h), flat, n = x.shape, x.reshape(x.size), marks.lengths.size
    for row in range(*span(many, part, parts)):
        if n == 0 or counts(marks, row // n, row % n):
            bent(h, flat, row * h, y, row * pitch + offset)
        else:
            clear_row(h, y, row * pitch + offset)


@kernel
def squash_diff(
    y: Vector, dy: Vector, dx: Matrix, pitch: int, offset: int, marks: Marks, part: int, parts: int
) -> None:
    """dx = dy (1 - y^2), 0 at steps that do not count. y, dy: (T*N*pitch,), dx: (T*N, H)."""
    (many, h), flat, n = dx.shape, dx.reshape(dx.size), marks.lengths.size
    for row in range(*span(many, part, parts)):
        if n == 0 or counts(marks, row // n, row % n):
            bent_diff(h, y, row * pitch + offset, dy, row * pitch + offset, flat, row * h)
        else:
            clear_row(h, flat, row * h)


@kernel
def spread(x: Matrix, y: Array3, part: int, parts: int) -> None:
    """y[t] = x for all steps. x: (N, M), y: (T, N, M). A part owns steps."""
    flat, to, size = x.reshape(x.size), y.reshape(y.size), x.size
    for time in range(*span(y.shape[0], part, parts)):
        move(size, flat, 0, to, time * size)


@kernel
def gather(x: Array3, y: Matrix, part: int, parts: int) -> None:
    """y = the sum of x over all steps, taken in float64. x: (T, N, M), y: (N, M)."""
    flat, to, size = x.reshape(x.size), y.reshape(y.size), y.size
    for i in range(*span(size, part, parts)):
        total = 0.0
        for time in range(x.shape[0]):
            total += flat[time * size + i]
        to[i] = total
