"""Recurrent layers: LSTM and GRU. ONNX keeps directions on an axis of their own, netspec side by side.

States that the net computes or reads become bottoms and tops of a layer with `expose_hidden`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.core.shape import text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Op, reshaped
from netspec.interop.from_onnx.ops.cutting import cut

if TYPE_CHECKING:
    from netspec.core.calls import Array

GATES = {"LSTM": (0, 2, 1, 3), "GRU": (1, 0, 2)}
"""Our gates by their places in ONNX: i, f, o, g of i, o, f, c; and r, z, n of z, r, h."""
STATES = {"LSTM": ((5, "initial_h"), (6, "initial_c")), "GRU": ((5, "initial_h"),)}
"""The inputs that are the states before the first step."""
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


def recurrent(op: Op) -> Sequence[Blob | None]:
    """LSTM or GRU: outputs Y, Y_h and Y_c, as far as they are read."""
    x, hidden = op.blob(), op.integer("hidden_size", 0)
    directions = _directions(op, x)
    weight, inner = op.floats(1, "the weight W"), op.floats(2, "the weight R")
    gates = len(GATES[op.node.op])
    if (
        weight.shape != (directions, gates * hidden, x.shape[2])
        or inner.shape != (directions, gates * hidden, hidden)
        or hidden < 1
    ):
        raise Lack(f"weights of {text(weight.shape)} and {text(inner.shape)} for {text(x.shape)}")
    weights = [array for side in range(directions) for array in _weights(op, side, weight, inner, hidden)]
    peephole = op.node.op == "LSTM" and op.has(7) and bool(op.floats(7, "the peephole").any())
    fields: dict[str, Any] = {"peephole": True} if peephole else {}
    fields |= {"num_output": hidden, "bidirectional": directions == 2, "weights": weights}
    begin = _begin(op)
    if any(begin) or (op.node.op == "LSTM" and op.uses(2)):
        bottoms = _exposed(op, x, begin, directions, hidden)
        top, *states = op.layers(op.node.op, x, *bottoms, tops=1 + len(begin), expose_hidden=True, **fields)
        unread = [state for slot, state in enumerate(states) if not op.uses(1 + slot)]
        unread += [] if op.uses(0) else [top]
        if unread:
            op.layers("Silence", *unread, part="unused", tops=0)
        return [_apart(op, top, directions), *states]
    top = op.layer(op.node.op, x, **fields)
    steps = x.shape[0]
    last = None
    if op.uses(1):
        ends = [cut(op, top, 0, steps - 1, steps, part="last")]
        if directions == 2:
            ends = [cut(op, ends[0], 2, 0, hidden, part="last_forward")]
            first = cut(op, top, 0, 0, 1, part="first")
            ends.append(cut(op, first, 2, hidden, 2 * hidden, part="last_reverse"))
        last = ends[0] if len(ends) == 1 else op.layer("Concat", *ends, part="state", axis=0)
    return [_apart(op, top, directions), last, None]


def _apart(op: Op, top: Blob, directions: int) -> Blob | None:
    """Y, which has the directions on an axis of their own; None where nothing reads it."""
    if not op.uses(0):
        return None
    steps, batch, wide = top.shape
    if directions == 1:
        return reshaped(op, top, (steps, 1, batch, wide), part="directions")
    apart = reshaped(op, top, (steps, batch, directions, wide // directions), part="directions")
    return op.layer("Permute", apart, part="apart", order=[0, 2, 1, 3])


def _begin(op: Op) -> list[Blob | None]:
    """The states before the first step, None for one of zeros. Raises Lack for other constants."""
    found: list[Blob | None] = []
    for slot, name in STATES[op.node.op]:
        computed = op.has(slot) and isinstance(op.inputs[slot], Blob)
        if op.has(slot) and not computed and op.constant(slot, name).any():
            raise Lack(f"{name} that is constant, and not 0")
        found.append(op.blob(slot) if computed else None)
    return found


def _exposed(op: Op, x: Blob, begin: list[Blob | None], directions: int, hidden: int) -> list[Blob]:
    """The bottoms behind x of a layer that exposes its states: marks that are all 1, and the states.

    Marks and zeros are made of x, so that they have its batch size: a Power of 0 is 1, whatever it is of.
    """
    marks = op.layer("Power", op.layer("Reduction", x, part="sums", axis=2), part="marks", power=0)
    if not all(begin):
        first = reshaped(op, cut(op, marks, 0, 0, 1, part="mark"), (1, x.shape[1], 1), part="mark_axis")
        wide = op.layer("Tile", first, part="wide", axis=2, tiles=hidden)
        wide = op.layer("Tile", wide, part="deep", axis=0, tiles=directions) if directions > 1 else wide
        zeros = op.layer("Power", wide, part="zeros", scale=0)
        begin = [state or zeros for state in begin]
    return [marks, *(state for state in begin if state is not None)]


def _directions(op: Op, x: Blob) -> int:
    """How many directions it walks in. Raises Lack for what netspec's layers cannot do."""
    kind = op.node.op
    if op.word("direction", "forward") not in ("forward", "bidirectional"):
        raise Lack(f"direction = {op.word('direction', 'forward')}")
    directions = 1 if op.word("direction", "forward") == "forward" else 2
    given = op.node.attributes.get("activations", ())
    if given and tuple(given) != USUAL[kind] * directions:
        raise Lack(f"activations = {list(given)}")
    for name, usual in (("layout", 0), ("input_forget", 0), ("linear_before_reset", 1 if kind == "GRU" else 0)):
        if op.integer(name, 0) != usual and (name != "linear_before_reset" or kind == "GRU"):
            raise Lack(f"{name} = {op.integer(name, 0)}")
    if "clip" in op.node.attributes:
        raise Lack("clip")
    if len(x.shape) != 3:
        raise Lack(f"an input of {text(x.shape)}")
    if op.has(4) and (op.constant(4, "sequence_lens") != x.shape[0]).any():
        raise Lack("sequence_lens")
    return directions


def _weights(op: Op, side: int, weight: Array, inner: Array, hidden: int) -> list[Array]:
    """The params of a direction, its gates in netspec's order."""
    import numpy as np

    order = GATES[op.node.op]

    def turned(array: Array) -> Array:
        return np.concatenate([array[gate * hidden : (gate + 1) * hidden] for gate in order])

    size = len(order) * hidden
    both = op.floats(3, "the bias B")[side] if op.has(3) else np.zeros(2 * size, weight.dtype)
    if both.shape != (2 * size,):
        raise Lack(f"a bias of {text(both.shape)}")
    outer, own = turned(both[:size]), turned(both[size:])
    if op.node.op == "GRU":
        return [turned(weight[side]), outer, turned(inner[side]), own]
    params = [turned(weight[side]), outer + own, turned(inner[side])]
    if op.has(7) and op.floats(7, "the peephole").any():
        peephole = op.floats(7, "the peephole")[side].reshape(3, hidden)
        params.append(peephole[[0, 2, 1]])
    return params


OPS = {"LSTM": recurrent, "GRU": recurrent}
