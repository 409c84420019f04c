"""Writing a layer as ONNX nodes: what its function is given, and how that function is found.

A function of `layers/` is marked with the layer types that it writes. It gets a Writer, appends nodes by `op`, and
returns the values of the tops.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from netspec.core.shape import Shape, Shapes, count
from netspec.layers.base import Layer

if TYPE_CHECKING:
    from netspec.core.calls import Array

L = TypeVar("L", bound=Layer)
Tops = str | tuple[str, ...]
Write = Callable[["Writer[Any]"], Tops]

GROWS = -1
"""The length of an axis that grows with the batch, as the shape of a Reshape has it."""

_WRITES: dict[type[Layer], Write] = {}


class NotWritable(Exception):
    """A layer has no meaning in ONNX, or not with these fields or bottoms; the text says why."""


class OpenBatch(NotWritable):
    """A layer can be written for a known number of samples alone."""


def writes(*kinds: type[Layer]) -> Callable[[Write], Write]:
    """Mark a function as the one that writes layers of these types."""

    def mark(write: Write) -> Write:
        _WRITES.update(dict.fromkeys(kinds, write))
        return write

    return mark


@cache
def written() -> dict[type[Layer], Write]:
    """The function of every layer type that can be written."""
    folder = importlib.import_module("netspec.interop.to_onnx.layers")
    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    return _WRITES


@dataclass
class Operation:
    """A node: its operator, its name, the values that it reads and makes, its attributes."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Names:
    """Names that are given once each."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self._last: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """The wanted name if it is free, else that name with a number behind it."""
        name, number = wanted, self._last.get(wanted, 1)
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self._last[wanted] = number
        self.taken.add(name)
        return name


@dataclass
class Building:
    """The graph as far as it is written: its nodes, its initializers by name, the names of values and of nodes."""

    operations: list[Operation] = field(default_factory=list)
    initializers: dict[str, Array] = field(default_factory=dict)
    values: Names = field(default_factory=Names)
    nodes: Names = field(default_factory=Names)


@dataclass
class Writer(Generic[L]):
    """A layer that is written, and the graph that its nodes go to.

    `bottom` are the values that it reads, `bottoms` and `tops` the shapes. `larger` are the shapes of bottoms and of
    tops in a batch of one more sample; the same where the net holds for its own batch size alone. `params` are its
    param blobs, and `labels` the names under which they stand in the file.
    """

    layer: L
    bottom: tuple[str, ...]
    bottoms: Shapes
    tops: Shapes
    larger: tuple[Shapes, Shapes]
    params: tuple[Array, ...]
    labels: tuple[str, ...]
    graph: Building

    @property
    def x(self) -> str:
        """The value of the first bottom."""
        return self.bottom[0]

    @property
    def shape(self) -> Shape:
        """The shape of the first bottom."""
        return self.bottoms[0]

    @property
    def rank(self) -> int:
        """The number of axes of the first bottom."""
        return len(self.bottoms[0])

    def axis(self, axis: int) -> int:
        """The number of an axis of the first bottom, counted from the front."""
        return axis + self.rank if axis < 0 else axis

    def sizes(self, bottom: int = 0) -> Shape:
        """The shape of a bottom, GROWS in place of a length that grows with the batch."""
        return _marked(self.bottoms[bottom], self.larger[0][bottom])

    def top_sizes(self, top: int = 0) -> Shape:
        """The shape of a top, GROWS in place of a length that grows with the batch."""
        return _marked(self.tops[top], self.larger[1][top])

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output, and return that."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Append a node, and return its outputs. An input may be left out by an empty name."""
        made = [self.graph.values.new(f"{self.layer.name}/{kind}") for _ in range(outputs)]
        self.graph.operations.append(Operation(kind, f"{self.layer.name}/{kind}", list(inputs), made, attributes))
        return tuple(made)

    def param(self, slot: int) -> str:
        """A param blob as a value."""
        return self.stored(self.labels[slot], self.params[slot])

    def stored(self, label: str, values: Array) -> str:
        """An initializer; layers that share a param share it."""
        held = self.graph.initializers.get(label)
        if held is None or held.shape != values.shape or (held is not values and not np.array_equal(held, values)):
            label = self.graph.values.new(label)
            self.graph.initializers[label] = values
        return label

    def changed(self, slot: int, values: Array) -> str:
        """A param blob in another form: under its name where that is free."""
        return self.stored(self.labels[slot], np.ascontiguousarray(values))

    def constant(self, values: Any, word: str = "constant") -> str:
        """Real numbers, or bits, as a value."""
        array = np.asarray(values)
        return self._kept(array if array.dtype == bool else array.astype(np.float32), word)

    def ints(self, values: Sequence[int] | int, word: str = "axes") -> str:
        """Whole numbers as a value."""
        return self._kept(np.asarray(values, np.int64), word)

    def _kept(self, values: Array, word: str) -> str:
        label = self.graph.values.new(f"{self.layer.name}/{word}")
        self.graph.initializers[label] = values
        return label

    def reshape(self, value: str, sizes: Sequence[int]) -> str:
        """A value under another shape, in which GROWS may stand once. Raises OpenBatch."""
        if list(sizes).count(GROWS) > 1:
            raise OpenBatch("the batch grows along several of its axes")
        return self.op("Reshape", value, self.ints(sizes, "shape"))

    @property
    def samples(self) -> int:
        """The length of axis 0 of the first bottom, perhaps GROWS. Raises OpenBatch where another axis grows."""
        first, *others = self.sizes()
        fixed(others)
        return first

    def to_top(self, value: str, top: int = 0) -> str:
        """A value under the shape of a top."""
        return self.reshape(value, self.top_sizes(top))


def over_last(values: Array, behind: int) -> Array:
    """An array with so many axes of length 1 behind its own, so that it is repeated along them."""
    return values.reshape(*values.shape, *(1,) * behind)


def times(sizes: Sequence[int]) -> int:
    """The product of lengths; GROWS where one grows."""
    return GROWS if GROWS in sizes else prod(sizes)


def _marked(shape: Shape, larger: Shape) -> Shape:
    return tuple(size if size == more else GROWS for size, more in zip(shape, larger, strict=True))


def fixed(sizes: Sequence[int]) -> int:
    """The product of lengths none of which may grow with the batch. Raises OpenBatch."""
    if GROWS in sizes:
        raise OpenBatch("it joins the samples of a batch, whose number is open")
    return count(sizes)
