"""Recurrent layers: one node for each layer of a stack; with marks, one for each step, whose state is multiplied first.

A file keeps nothing from one run to the next: states that are no bottoms begin at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netspec.interop.to_onnx.writing import NotWritable, Tops, Writer, fixed, times, writes
from netspec.layers.gru import GRU
from netspec.layers.lstm import LSTM
from netspec.layers.lstm_unit import LSTMUnit
from netspec.layers.rnn import RNN

if TYPE_CHECKING:
    from netspec.core.calls import Array

Recurrent = LSTM | GRU | RNN

_GATES = {"LSTM": (0, 2, 1, 3), "GRU": (1, 0, 2), "RNN": (0,)}
"""For each gate in ONNX's order (i, o, f, c; z, r, h) its number in ours (i, f, o, g; r, z, n)."""


@dataclass(frozen=True)
class _Direction:
    """The params of one direction of one layer of a stack, with gates in ONNX's order, and of an RNN the output's."""

    x: Array  # (G*H, D)
    h: Array  # (G*H, H)
    biases: Array  # (2*G*H,): those of x, those of the state
    peephole: Array | None  # (3*H,)
    output: tuple[Array, Array] | None  # (H, H), (H,)


@writes(LSTM, GRU, RNN)
def recurrent(to: Writer[Recurrent]) -> Tops:
    """The stack, layer by layer; then the states after the last step, where they are tops."""
    layer, place = to.layer, to.layer.places
    if place.lengths is not None and (place.cont is not None or layer.type == "RNN"):
        raise NotWritable("ONNX has no recurrent layer with lengths, and marks or an output of its own")
    t, n = to.sizes()[:2]
    if place.cont is not None:
        fixed((t,))
    x = to.reshape(to.x, (t, n, times(to.shape[2:]))) if to.rank != 3 else to.x
    if place.static is not None:
        x = _beside(to, x, place.static)
    params, states = iter(to.params), list[list[str]]()
    for number in range(layer.num_layers):
        own = [_direction(to, params, number) for _ in range(layer.directions)]
        label = f"_l{number}" if number else ""
        walk = _Walk(to, label, own, number)
        x, last = walk.by_step(x) if place.cont is not None else walk.at_once(x)
        states.append(last)
    if len(to.tops) == 1:
        return x
    joined = (list(each) for each in zip(*states, strict=True))
    return (x, *(each[0] if len(each) == 1 else to.op("Concat", *each, axis=0) for each in joined))


def _beside(to: Writer[Recurrent], x: str, static: int) -> str:
    """The values of each step, with those of a static input behind them."""
    rows = to.sizes(static)
    step = to.reshape(to.bottom[static], (1, rows[0], times(rows[1:])))
    repeated = to.op("Expand", step, to.ints([to.shape[0], 1, 1], "steps"))
    return to.op("Concat", x, repeated, axis=2)


def _direction(to: Writer[Recurrent], params: Iterator[Array], number: int) -> _Direction:
    """The next params of a stack; a static input's weight beside that of x."""
    layer = to.layer
    static = layer.places.static is not None and number == 0
    extra = {"LSTM": int(getattr(layer, "peephole", False)), "GRU": 1, "RNN": 2}[layer.type]
    x, bias, *rest = (next(params) for _ in range(3 + static + extra))
    if static:
        x, rest = np.concatenate([x, rest[0]], axis=1), rest[1:]
    h, *more = rest
    gates = list(_GATES[layer.type])

    def ordered(values: Array) -> Array:
        return values.reshape(len(gates), -1, *values.shape[1:])[gates].reshape(values.shape)

    own = ordered(more[0]) if layer.type == "GRU" else np.zeros_like(bias)
    peephole = more[0][[0, 2, 1]].reshape(-1) if layer.type == "LSTM" and more else None
    output = (more[0], more[1]) if layer.type == "RNN" else None
    return _Direction(ordered(x), ordered(h), np.concatenate([ordered(bias), own]), peephole, output)


class _Walk:
    """The walks of one layer of a stack, in one direction or both."""

    def __init__(self, to: Writer[Recurrent], label: str, own: list[_Direction], number: int) -> None:
        self.to, self.label, self.own, self.number = to, label, own, number
        self.kind, self.h = to.layer.type, to.layer.num_output

    def stored(self, word: str, arrays: list[Array]) -> str:
        """One param of all directions."""
        label = f"{self.to.layer.name}.{word}{self.label}"
        return self.to.stored(label, np.ascontiguousarray(np.stack(arrays).astype(np.float32)))

    def weights(self, own: list[_Direction], tail: str = "") -> list[str]:
        """W, R and B of the directions."""
        arrays = ([one.x for one in own], [one.h for one in own], [one.biases for one in own])
        return [self.stored(word + tail, each) for word, each in zip("WRB", arrays, strict=True)]

    def peephole(self, own: list[_Direction], tail: str = "") -> list[str]:
        """P of the directions, where there is one."""
        arrays = [one.peephole for one in own if one.peephole is not None]
        return [self.stored("P" + tail, arrays)] if arrays else []

    def node(
        self, own: list[_Direction], direction: str, x: str, initial: list[str], lengths: str, tail: str
    ) -> tuple[str, ...]:
        """One node: all outputs (T, D, N, H), and the states after the last step, each (D, N, H)."""
        states = len(self.to.layer.memories)
        inputs = [x, *self.weights(own, tail), lengths, *(initial or [""] * states), *self.peephole(own, tail)]
        while not inputs[-1]:
            inputs.pop()
        how: dict[str, object] = {"hidden_size": self.h, "direction": direction}
        if self.kind == "GRU":
            how["linear_before_reset"] = 1
        return self.to.ops(self.kind, 1 + states, *inputs, **how)

    def initial(self) -> list[str]:
        """The states before the first step of this layer, where they are bottoms."""
        places, count = self.to.layer.places.initial, len(self.own)
        given = [self.to.bottom[place] for place in places]
        if self.to.layer.num_layers == 1:
            return given
        first = self.number * count
        cut = (self.to.ints([each], word) for each, word in ((first, "start"), (first + count, "end"), (0, "axes")))
        start, end, axes = cut
        return [self.to.op("Slice", each, start, end, axes) for each in given]

    def at_once(self, x: str) -> tuple[str, list[str]]:
        """A node for all steps and directions."""
        to, place = self.to, self.to.layer.places
        lengths = "" if place.lengths is None else to.op("Cast", to.bottom[place.lengths], to=6)
        direction = "bidirectional" if len(self.own) == 2 else "forward"
        y, *last = self.node(self.own, direction, x, self.initial(), lengths, "")
        t, n = to.sizes()[:2]
        if len(self.own) == 1:
            y = to.op("Squeeze", y, to.ints([1]))
            return self.output(y, self.own[0], ""), last
        if self.kind == "RNN":
            halves = to.ops("Split", 2, y, to.ints([1, 1], "split"), axis=1)
            states = [to.op("Squeeze", half, to.ints([1])) for half in halves]
            parts = [self.output(*each) for each in zip(states, self.own, _TAILS, strict=True)]
            return self.joined(parts), last
        y = to.op("Transpose", y, perm=[0, 2, 1, 3])
        return to.reshape(y, (t, n, 2 * self.h)), last

    def joined(self, parts: list[str]) -> str:
        """The outputs of both directions side by side."""
        return self.to.op("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]

    def output(self, y: str, own: _Direction, tail: str) -> str:
        """Of an RNN the output, made of the state by a product; else the state itself."""
        if own.output is None:
            return y
        weight, bias = own.output
        label = f"{self.to.layer.name}.output{tail}{self.label}"
        product = self.to.op("MatMul", y, self.to.stored(label, np.ascontiguousarray(weight.T)))
        return self.to.op("Tanh", self.to.op("Add", product, self.to.stored(f"{label}_bias", bias)))

    def by_step(self, x: str) -> tuple[str, list[str]]:
        """A node for each step and direction, on the state times the step's mark."""
        to, t = self.to, self.to.shape[0]
        ones = to.ints([1] * t, "split")
        steps = to.ops("Split", t, x, ones, axis=0) if t > 1 else (x,)
        marks = to.op("Unsqueeze", to.bottom[to.layer.places.cont or 0], to.ints([2]))
        cont = to.ops("Split", t, marks, ones, axis=0) if t > 1 else (marks,)
        initial, outputs, last = self.initial(), list[str](), list[list[str]]()
        for number, (own, tail) in enumerate(zip(self.own, _TAILS, strict=False)):
            states = initial
            if len(self.own) > 1:
                states = [to.op("Gather", each, to.ints([number], "number"), axis=0) for each in initial]
            y, state = self._walked(own, tail, steps, cont, states, reverse=number == 1)
            outputs.append(self.output(y, own, tail))
            last.append(state)
        ends = [[*each] for each in zip(*last, strict=True)]
        return self.joined(outputs), [to.op("Concat", *each, axis=0) if len(each) > 1 else each[0] for each in ends]

    def _walked(
        self,
        own: _Direction,
        tail: str,
        steps: tuple[str, ...],
        cont: tuple[str, ...],
        states: list[str],
        reverse: bool,
    ) -> tuple[str, list[str]]:
        """All outputs (T, N, H) of a direction, and its states behind the last step that it takes."""
        to, order = self.to, range(len(steps))
        ys = [""] * len(steps)
        for number in reversed(order) if reverse else order:
            boundary = number + reverse
            if states and boundary < len(steps):
                states = [to.op("Mul", state, cont[boundary]) for state in states]
            y, *states = self.node([own], "forward", steps[number], states, "", tail)
            ys[number] = y
        whole = to.op("Concat", *ys, axis=0) if len(ys) > 1 else ys[0]
        return to.op("Squeeze", whole, to.ints([1])), states


_TAILS = ("", "_reverse")
"""Ends of the names of params of each direction."""


@writes(LSTMUnit)
def lstm_unit(to: Writer[LSTMUnit]) -> Tops:
    """The gates by Split, bent and multiplied."""
    cell, gates, cont = to.bottom
    h = to.shape[2]
    i, f, o, g = to.ops("Split", 4, gates, to.ints([h] * 4, "split"), axis=2)
    before = to.op("Mul", cell, to.op("Unsqueeze", cont, to.ints([2])))
    kept = to.op("Mul", to.op("Sigmoid", f), before)
    new = to.op("Add", kept, to.op("Mul", to.op("Sigmoid", i), to.op("Tanh", g)))
    return new, to.op("Mul", to.op("Sigmoid", o), to.op("Tanh", new))
