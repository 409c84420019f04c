"""Text from a net that predicts the next character, drawn character by character with the recurrent state carried on.

A character is drawn by the probabilities p^(1/T), scaled to 1, at the temperature T: below 1 the likely ones win more
often, and at 0 the likeliest always does. Draws are a function of (seed, place).
Source: Graves 2013, Generating sequences with recurrent neural networks.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.core import rng
from netspec.core.nodes import Document, Mapping, Node, Sequence
from netspec.engine.program import Program
from netspec.net.deploy import written
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.answering.trained import Trained, UnfitNetError

if TYPE_CHECKING:
    from netspec.core.calls import Array

_TEXT, _CONT = 0, 2
"""The numbers of the outputs of the source Text that a net may take: characters, and marks of what goes on."""


class Writer:
    """A net that reads one character at a time and says how likely each is to come next."""

    def __init__(self, net: Trained) -> None:
        facts = net.facts.source
        if not facts and net.source is not None and net.source.bundled:
            facts = net.source.open(None).facts()  # snapshots before version 0.3 do not hold them
        self.characters = str(facts.get("characters", ""))
        self.bytes = facts.get("unit") == "byte"
        shaped = self._stepwise(net)
        self.program: Program = net.program(1, shaped)
        self._inputs = dict(zip(net.view.inputs, self.program.inputs, strict=True))
        self._out = self.program.graph.named[net.answer.blob].index
        self._begun = False
        self.program.weights.forget()

    def _stepwise(self, net: Trained) -> ShapedGraph:
        """The net with a batch of one sequence of one step. Raises UnfitNetError where it writes no text."""
        view = net.view
        shapes = [net.written.blobs[index] for index in net.written.graph.inputs]
        known = self.characters or self.bytes
        if not known or not {*view.inputs} <= {_TEXT, _CONT} or any(len(shape) != 2 for shape in shapes):
            help = "--generate is for nets that were trained on the source Text, like char_lstm of the zoo"
            raise UnfitNetError(f"'{net.path}' predicts no characters", help=help)
        if net.answer.axis is None or not net.answer.probable:
            raise UnfitNetError(f"'{net.path}' gives no probabilities of characters", help="end it with a loss")
        shaped = load_net(_of_one_step(view.document), (), view.state)
        if not any(node.layer.states(shaped.bottom_shapes(node)) for node in shaped.graph.nodes):
            raise UnfitNetError(f"'{net.path}' carries no state from one character to the next")
        return shaped

    def read(self, number: int) -> Array:
        """Read a character by its number; the probabilities of the next one, (C,)."""
        import numpy as np

        self._inputs[_TEXT][...] = number
        if _CONT in self._inputs:
            self._inputs[_CONT][...] = float(self._begun)
        self._begun = True
        self.program.infer()
        return np.array(self.program.data[self._out].reshape(-1), np.float64)

    def numbers(self, start: str) -> list[int]:
        """The numbers of the characters of a text. Raises UnfitNetError for one that the net has not seen."""
        if self.bytes:
            return list(start.encode())
        places = {letter: number for number, letter in enumerate(self.characters)}
        strange = next((letter for letter in start if letter not in places), None)
        if strange is not None:
            raise UnfitNetError(f"the net was trained on a text without {strange!r}, so it cannot start with it")
        return [places[letter] for letter in start]


def generate(net: Trained, length: int, start: str = "", temperature: float = 1.0, seed: int = 1) -> Iterator[str]:
    """Yield the start, then `length` characters, in pieces as they come. Without a start the net begins a line.

    Raises UnfitNetError.
    """
    import numpy as np

    writer = Writer(net)
    given = writer.numbers(start) if start else []
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def shown(number: int) -> str:
        return decoder.decode(bytes([number])) if writer.bytes else writer.characters[number]

    first = writer.numbers("\n") if writer.bytes or "\n" in writer.characters else [0]
    chances = np.zeros(0)
    for number in given or first:
        chances = writer.read(number)
    yield start
    for place in range(length):
        number = drawn(chances[: 256 if writer.bytes else len(writer.characters)], temperature, seed, place)
        yield shown(number)
        if place < length - 1:
            chances = writer.read(number)
    yield decoder.decode(b"", final=True)


def drawn(chances: Array, temperature: float, seed: int, place: int) -> int:
    """The class that is drawn by probabilities (C,) at a temperature; of equal ones the first where that is 0."""
    import numpy as np

    if not temperature:
        return int(chances.argmax())
    with np.errstate(divide="ignore"):
        logs = np.log(chances) / temperature
    weights = np.exp(logs - logs.max()).cumsum()
    number = rng.uniform(seed, "generate", np.array([place]))[0] * weights[-1]
    return int(min(np.searchsorted(weights, number, side="right"), len(weights) - 1))


def _of_one_step(document: Document) -> Document:
    """A net whose Inputs are (1, 1): one step of one sequence."""
    layers = document.root.items["layers"]
    assert isinstance(layers, Sequence)
    items = tuple(map(_fed, layers.items))
    root = document.root.with_item("layers", replace(layers, items=items), layers.at)
    return replace(document, root=root)


def _fed(layer: Node) -> Node:
    """A layer; an Input of steps (T, N) with one step of one sequence."""
    if not isinstance(layer, Mapping) or layer.value("type") != "Input":
        return layer
    return layer.with_item("shape", written((1, 1), layer.at), layer.at)
