"""Walks of recurrent layers through time: how a batch is cut into bands of rows and, for large steps, hidden units.

Letters: T steps, N rows of the batch, H hidden units, G gates of a unit, D values of an input, S of a static one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netspec.codegen.geometry import ADD, MOST_PARTS, Marks, Walk, even_parts
from netspec.core.calls import Call, Calls, Kernel
from netspec.lowering import products

if TYPE_CHECKING:
    from netspec.core.calls import Array

BAND = 16
"""Rows of a band: so many read a weight from the cache once."""
LARGE = 2**20
"""Values of the state's weight from which hidden units are shared out too: then a step is a call of its own."""


@dataclass(frozen=True)
class Scan:
    """One direction of one layer of a stack, in a net: its arrays, and where its values lie in a row of the top.

    `gates` is G; x: (T*N, D), y: (T*N*pitch,). `param` holds the weight of x, the bias, of the first layer with a
    static input its weight, the weight of the state, and what the layer type has more.
    """

    steps: int
    rows: int
    width: int
    gates: int
    reverse: bool
    marks: Marks
    x: Array
    y: Array
    pitch: int
    offset: int
    param: dict[str, Array]
    space: dict[str, Array]

    def walk(self, kernel: Kernel, columns: int, *args: Any) -> Calls:
        """Calls of a kernel over all steps, whose products have so many columns."""
        n, h = self.rows, self.width
        bands = even_parts(n, BAND, n)
        weight = self.gates * h * h
        blocks = even_parts(weight, LARGE // 4, min(h // 64, MOST_PARTS // bands)) if weight >= LARGE else 1
        grid = products.tiles(n, h if blocks > 1 else columns, self.x.dtype.name, widest=2, bands=bands)
        spans = [(0, self.steps)] if blocks == 1 else [(s, s + 1) for s in range(self.steps)]
        for begin, end in spans:
            walk = Walk(begin, end, int(self.reverse), bands, self.pitch, self.offset, grid)
            yield Call(kernel, *args, self.marks, walk, parts=bands * blocks)

    def beside(self, pitch: int) -> Scan:
        """The same walk over rows of `pitch` values that hold nothing else."""
        return replace(self, pitch=pitch, offset=0)

    def read(self, states: Array) -> Array:
        """What each step reads, (T*N, H), of states (T+1, N, H)."""
        seen = states[1:] if self.reverse else states[:-1]
        return seen.reshape(self.steps * self.rows, self.width)

    def first(self, states: Array) -> Array:
        """The state before the walk, (N, H)."""
        found: Array = states[-1 if self.reverse else 0]
        return found

    def last(self, states: Array) -> Array:
        """The state after the walk, (N, H)."""
        found: Array = states[0 if self.reverse else -1]
        return found

    def flat(self, gates: Array) -> Array:
        """(T, N, M) as (T*N, M)."""
        return gates.reshape(self.steps * self.rows, gates.shape[2])


def inputs(scan: Scan, static: Array | None) -> Calls:
    """gates = x w^T + b, and what a static input (N, S) adds to every step."""
    from netspec.kernels import recurrent

    gates, mode = scan.space["gates"], 0
    if static is not None:
        lines = scan.space["lines"]
        yield from products.multiply_transposed(static, scan.param["static"], lines[:0], lines, 0, None, None)
        yield Call(recurrent.spread, lines, gates, parts=_parts(gates.size, scan.steps))
        mode = ADD
    turned, product = scan.space.get("turned"), scan.space.get("product")
    bias, flat = scan.param["bias"], scan.flat(gates)
    yield from products.multiply_transposed(scan.x, scan.param["x"], bias, flat, mode, turned, product)


def turn(scan: Scan) -> Call:
    """The transpose of the state's weight: (G*H, H) to (H, G*H)."""
    from netspec.kernels import inner_product

    weight = scan.param["h"]
    return Call(inner_product.turn, weight, scan.space["across"], parts=_parts(16 * weight.size, scan.width // 16))


def enter(scan: Scan, initial: Array | None, states: Array) -> Call:
    """The state before the walk: a given one (N, H), where the first step's mark lets it in, or 0."""
    from netspec.kernels import copy, recurrent

    to = scan.first(states)
    return Call(copy.fill, to, 0.0) if initial is None else let_in(scan, recurrent.enter, initial, to)


def let_in(scan: Scan, kernel: Kernel, state: Array, to: Array) -> Call:
    """`state` times the first step's mark; of a gradient too."""
    return Call(kernel, state, scan.marks, to, int(scan.reverse), parts=_parts(state.size, scan.rows))


def weight_diffs(scan: Scan, dgates: Array, down: Array, hidden: Array, diffs: dict[str, Diff], sums: Array) -> Calls:
    """The gradients of the weights and biases of x and of the state.

    dgates, down: (T*N, G*H), of what the gates add up of x and of the state; sums: (G*H,) in float64.
    """
    none = dgates.reshape(-1)[:0]
    for name, left, right in (("x", dgates, scan.x), ("h", down, scan.read(hidden))):
        if name in diffs:
            yield from products.multiply_columns(left, right, diffs[name].array, sums[:0], diffs[name].mode)
    for name, gates in (("bias", dgates), ("own", down)):
        if name in diffs:
            yield from products.bias_gradient(none.reshape(0, 1), gates, diffs[name].array, sums, diffs[name].mode)


def static_diffs(
    scan: Scan, dgates: Array, static: Array, dstatic: Array | None, adds: bool, diffs: dict[str, Diff]
) -> Calls:
    """The gradients of a static input (N, S) and of its weight."""
    from netspec.kernels import recurrent

    lines = scan.space["dlines"]
    yield Call(recurrent.gather, dgates, lines, parts=_parts(dgates.size, scan.rows))
    none = lines.reshape(-1)[:0]
    if "static" in diffs:
        diff = diffs["static"]
        yield from products.multiply_columns(lines, static, diff.array, scan.space["sums"][:0], diff.mode)
    if dstatic is not None:
        yield from products.multiply_rows(lines, scan.param["static"], none, dstatic, ADD if adds else 0)


@dataclass(frozen=True)
class Diff:
    """The gradient of a param, and ADD or 0: whether it is added to what stands there."""

    array: Array
    mode: int


def _parts(values: int, most: int) -> int:
    return even_parts(values, products.WORK // 16, most)
