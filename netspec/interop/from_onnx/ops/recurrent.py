"""Recurrent layers: LSTM and GRU. ONNX keeps directions on an axis of their own, netspec side by side."""

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
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


def recurrent(op: Op) -> Sequence[Blob | None]:
    """LSTM or GRU, from zeros or from states that are blobs: outputs Y, Y_h and Y_c, where they are read."""
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
    states = _states(op)
    fields |= {"expose_hidden": True} if states else {}
    fields |= {"num_output": hidden, "bidirectional": directions == 2, "weights": weights}
    marks = [_going_on(op, x)] if states else []
    top, *ended = op.layers(op.node.op, x, *marks, *states, tops=1 + len(states), **fields)
    steps, batch = x.shape[:2]
    last = ended[0] if ended else None
    unread = [state for slot, state in enumerate(ended, 1) if not op.uses(slot)]
    if unread:
        op.layers("Silence", *unread, part="unused", tops=0)
    if op.uses(2) and not states:
        raise Lack("its last cell Y_c is read, but its first states are zeros")
    if op.uses(1) and last is None:
        ends = [cut(op, top, 0, steps - 1, steps, part="last")]
        if directions == 2:
            ends = [cut(op, ends[0], 2, 0, hidden, part="last_forward")]
            first = cut(op, top, 0, 0, 1, part="first")
            ends.append(cut(op, first, 2, hidden, 2 * hidden, part="last_reverse"))
        last = ends[0] if len(ends) == 1 else op.layer("Concat", *ends, part="state", axis=0)
    apart = None
    if op.uses(0):
        apart = reshaped(op, top, (steps, batch, directions, hidden), part="directions") if directions == 2 else top
        if directions == 2:
            apart = op.layer("Permute", apart, part="apart", order=[0, 2, 1, 3])
        else:
            apart = reshaped(op, top, (steps, 1, batch, hidden), part="directions")
    return [apart, last, ended[1] if len(ended) > 1 else None]


def _going_on(op: Op, x: Blob) -> Blob:
    """Marks that no row begins a sequence: ones (T, N), made of the input, so that they have the batch's length."""
    ones = op.layer("Power", cut(op, x, 2, 0, 1, part="column"), part="ones", scale=0, shift=1)
    return reshaped(op, ones, x.shape[:2], part="cont", batch=x.batch)


def _states(op: Op) -> list[Blob]:
    """The states before the first step, where they are blobs; none where they are zeros. Raises Lack."""
    slots = {5: "initial_h", 6: "initial_c"} if op.node.op == "LSTM" else {5: "initial_h"}
    blobs = [op.blob(slot) for slot in slots if op.has(slot) and isinstance(op.inputs[slot], Blob)]
    for slot, name in slots.items():
        if op.has(slot) and not isinstance(op.inputs[slot], Blob) and op.constant(slot, name).any():
            raise Lack(f"{name} that is not 0")
    if blobs and len(blobs) < len(slots):
        raise Lack("only one of its two states is computed by the net")
    return blobs


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
