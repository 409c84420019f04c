"""ONNX models: nodes, initial values, inputs and outputs as they stand in a file; nothing here knows any operator.

The file is walked where it lies in memory: tensors are views of it. Tensors that lie in other files are read from the
model's own folder and the folders in it, and from nowhere else. Source: ONNX, onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import SpecError
from netspec.core.shape import Shape, count, counted, text
from netspec.formats import wire
from netspec.formats.files import WrongFormatError, WrongSizeError, neighbour, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

NAME = "ONNX model"

FLOAT, INT32, STRING, INT64, BOOL, HALF, DOUBLE, BFLOAT = 1, 6, 8, 7, 9, 10, 11, 16
TYPES = {
    FLOAT: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    INT32: "int32",
    INT64: "int64",
    BOOL: "bool",
    HALF: "float16",
    DOUBLE: "float64",
    12: "uint32",
    13: "uint64",
    BFLOAT: "bfloat16",
}
"""ONNX's types of numbers that are read, by their numbers in a file."""
_MOST_AXES = 32
_MOST_DEPTH = 8
_EXTERNAL = 1


class OutsideFileError(SpecError):
    """A file names another file with its data, and that lies outside the folder it may lie in, or does not exist."""

    code = "NS760"


@dataclass(frozen=True)
class Tensor:
    """An array in a model: `pieces` are its values, by the number of the field that holds them.

    `outside` says where the values lie that are in another file: location, offset, length.
    """

    message: wire.Message
    name: str
    shape: Shape
    type: int
    pieces: Mapping[int, tuple[wire.Field, ...]] = field(repr=False)
    outside: Mapping[str, str] | None = None

    def array(self, files: Files) -> Array:
        """Its values. Raises WrongSizeError, WrongFormatError, OutsideFileError."""
        import numpy as np

        word = TYPES.get(self.type)
        if word is None:
            raise self._fault(f"numbers of type {self.type}, which cannot be read")
        stored = np.dtype({"bfloat16": "<u2", "bool": "u1"}.get(word) or np.dtype(word).newbyteorder("<"))
        wanted = count(self.shape)
        if self.outside is not None:
            values = np.frombuffer(files.read(self, wanted * stored.itemsize), stored)
        elif _RAW in self.pieces:
            raw = self.pieces[_RAW][-1].message("tensor").data
            self._check(len(raw), wanted * stored.itemsize, "byte")
            values = np.frombuffer(raw, stored)
        else:
            values = self._listed(stored)
            self._check(len(values), wanted, "value")
        values = values.reshape(self.shape)
        if word == "bfloat16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(bool) if word == "bool" else values

    def _listed(self, stored: Any) -> Array:
        """Its values where they stand in a field of their type."""
        import numpy as np

        held, size = {FLOAT: (_FLOATS, 4), DOUBLE: (_DOUBLES, 8)}.get(self.type, (0, 0))
        if held:
            rows = [np.frombuffer(each.numbers(size), stored) for each in self.pieces.get(held, ())]
            return np.concatenate(rows) if rows else np.zeros(0, stored)
        held = {INT64: _INT64, 12: _UINT64, 13: _UINT64}.get(self.type, _INT32)
        numbers = np.array([number for each in self.pieces.get(held, ()) for number in each.integers()], np.int64)
        return numbers.astype(np.uint16).view(stored) if self.type == HALF else numbers.astype(stored)

    def _check(self, held: int, wanted: int, word: str) -> None:
        if held != wanted:
            what = f"the tensor '{self.name}' of {text(self.shape)} {TYPES[self.type]}"
            raise WrongSizeError(
                f"'{self.message.path}': {what} takes {counted(wanted, word)}, but {held:,} are there",
                help="the file is damaged",
            )

    def _fault(self, found: str) -> WrongFormatError:
        return self.message.fault(0, f"a tensor '{self.name}' of {found}")


class Files:
    """The other files that tensors of a model lie in, each read once."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._read: dict[Path, memoryview] = {}

    def read(self, tensor: Tensor, wanted: int) -> memoryview:
        """The bytes of a tensor that lies in another file. Raises OutsideFileError, WrongSizeError."""
        outside = tensor.outside or {}
        location = outside.get("location", "")
        data = self._content(tensor.name, location)
        offset, length = _whole(outside.get("offset", "0")), _whole(outside.get("length", str(wanted)))
        if offset is None or length != wanted or offset + wanted > len(data):
            raise WrongSizeError(
                f"'{self._model}': the tensor '{tensor.name}' takes {counted(wanted, 'byte')}, which do not lie at the "
                f"offset {outside.get('offset', '0')} of '{location}', a file of {counted(len(data), 'byte')}",
                help="one of the two files is damaged",
            )
        return data[offset : offset + wanted]

    def _content(self, name: str, location: str) -> memoryview:
        folder = self._model.parent.resolve()
        try:
            path = (folder / location).resolve()
        except (OSError, ValueError, RuntimeError):
            path = Path()
        what = f"'{self._model}': the values of '{name}' lie in '{location}'"
        if not location or not path.is_relative_to(folder):
            raise OutsideFileError(
                f"{what}, outside the model's folder", help="only files in that folder, or in folders in it, are read"
            )
        if path not in self._read:
            if not path.is_file():
                raise OutsideFileError(f"{what}, which is not there", help=neighbour(path))
            with opened(path) as file:
                self._read[path] = memoryview(file.read())
        return self._read[path]


def _whole(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


@dataclass(frozen=True)
class Node:
    """An operator at work: its values' names, and its attributes. `number` counts the nodes of the model from 1."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""
    number: int = 0

    @property
    def reads(self) -> Iterator[str]:
        """The names of all values that it reads, also inside its branches."""
        yield from (name for name in self.inputs if name)
        for value in self.attributes.values():
            if isinstance(value, Subgraph):
                yield from (name for node in value.nodes for name in node.reads)
                yield from value.outputs

    def __str__(self) -> str:
        """The node as a line of text: y = Conv(x, w) {group: 1}."""
        about = ", ".join(f"{key}: {_shown(value)}" for key, value in self.attributes.items())
        type = f"{self.domain}.{self.op}" if self.domain else self.op
        line = f"{', '.join(self.outputs)} = {type}({', '.join(self.inputs)})"
        return line + (f" {{{about}}}" if about else "") + (f"  # {self.name}" if self.name else "")


@dataclass(frozen=True)
class Subgraph:
    """A graph inside a node: the branch of an If, the body of a Loop."""

    nodes: tuple[Node, ...] = ()
    initial: Mapping[str, Tensor] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | Subgraph):
        return f"tensor of {text(value.shape)}" if isinstance(value, Tensor) else "a graph"
    shown = "[" + ", ".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)
    return shown if len(shown) < 80 else f"{shown[:77]}..."


@dataclass(frozen=True)
class Value:
    """An input or output of the model; an axis without a known length has a name, or None."""

    name: str
    type: int = 0
    shape: tuple[int | str | None, ...] | None = None


@dataclass(frozen=True)
class Model:
    """A model: its nodes in order, and the initial values by name."""

    path: Path
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    initial: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    name: str = ""
    producer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


_RAW, _FLOATS, _INT32, _INT64, _DOUBLES, _UINT64 = 9, 4, 5, 7, 10, 11


def read_model(path: Path) -> Model:
    """The model in a file. Raises the errors of data files, such as WrongFormatError."""
    message = wire.read_message(path, NAME)
    graph: wire.Message | None = None
    opsets: dict[str, int] = {}
    metadata: dict[str, str] = {}
    producer = ""
    for each in message.fields():
        if each.number == 7:
            graph = each.message("graph")
        elif each.number == 8:
            about = _by_number(each.message("opset"))
            opsets[_domain(_text(about.get(1)))] = _integer(about.get(2))
        elif each.number == 2:
            producer = _text(each)
        elif each.number == 14:
            pair = _by_number(each.message("metadata"))
            metadata[_text(pair.get(1))] = _text(pair.get(2))
    if graph is None or not opsets:
        raise WrongFormatError(
            f"'{path}' is no {NAME}: it has no {'opset' if graph else 'graph'}",
            help="the file is damaged or of another kind",
        )
    return Model(path, opsets, **_graph(graph), producer=producer, metadata=metadata)


def _graph(graph: wire.Message, depth: int = 0) -> dict[str, Any]:
    if depth > _MOST_DEPTH:
        raise graph.fault(0, f"graphs inside graphs, more than {_MOST_DEPTH} deep")
    nodes: list[Node] = []
    initial: dict[str, Tensor] = {}
    inputs, outputs, name = list[Value](), list[Value](), ""
    for each in graph.fields():
        if each.number == 1:
            nodes.append(_node(each.message("node"), len(nodes) + 1, depth))
        elif each.number == 2:
            name = _text(each)
        elif each.number == 5:
            tensor = _tensor(each.message("tensor"))
            initial[tensor.name] = tensor
        elif each.number in (11, 12):
            (inputs if each.number == 11 else outputs).append(_value(each.message("value")))
        elif each.number == 15:
            raise each.message("sparse tensor").fault(0, "a sparse tensor, which cannot be read")
    given = tuple(value for value in inputs if value.name not in initial)
    return {"nodes": tuple(nodes), "initial": initial, "inputs": given, "outputs": tuple(outputs), "name": name}


def _node(message: wire.Message, number: int, depth: int) -> Node:
    inputs, outputs, words = list[str](), list[str](), {3: "", 4: "", 7: ""}
    attributes: dict[str, Any] = {}
    for each in message.fields():
        if each.number == 1:
            inputs.append(_text(each))
        elif each.number == 2:
            outputs.append(_text(each))
        elif each.number in words:
            words[each.number] = _text(each)
        elif each.number == 5:
            attributes.update([_attribute(each.message("attribute"), depth)])
    return Node(words[4], tuple(inputs), tuple(outputs), attributes, words[3], _domain(words[7]), number)


def _domain(word: str) -> str:
    """A domain of operators; ONNX's own has two names."""
    return "" if word == "ai.onnx" else word


_KINDS = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9}
"""The field that holds an attribute's value, by the number of its kind: float, int, text, tensor, graph, and lists."""


def _attribute(message: wire.Message, depth: int) -> tuple[str, Any]:
    fields: dict[int, list[wire.Field]] = {}
    for each in message.fields():
        fields.setdefault(each.number, []).append(each)
    name = _text(fields[1][-1]) if 1 in fields else ""
    kind = fields[20][-1].integer() if 20 in fields else next((k for k, n in _KINDS.items() if n in fields), 0)
    if kind not in _KINDS:
        return name, Subgraph()
    found = fields.get(_KINDS[kind], [])
    if kind > 5:
        return name, tuple(item for each in found for item in _items(each, kind, depth))
    if not found:
        return name, {1: 0.0, 2: 0, 3: ""}.get(kind)
    return name, next(iter(_items(found[-1], kind, depth)), None)


def _items(each: wire.Field, kind: int, depth: int) -> Iterator[Any]:
    """The values in a field of an attribute: one, or many in a row."""
    if kind in (1, 6):
        yield from (number for (number,) in struct.iter_unpack("<f", each.numbers(4)))
    elif kind in (2, 7):
        yield from each.integers()
    elif kind in (3, 8):
        yield _text(each)
    elif kind == 4:
        yield _tensor(each.message("tensor"))
    elif kind == 5:
        graph = _graph(each.message("graph"), depth + 1)
        yield Subgraph(graph["nodes"], graph["initial"], tuple(value.name for value in graph["outputs"]))


def _tensor(message: wire.Message) -> Tensor:
    dims, type, name, external = list[int](), 0, "", False
    pieces: dict[int, list[wire.Field]] = {}
    outside: dict[str, str] = {}
    for each in message.fields():
        if each.number == 1:
            dims += each.integers()
        elif each.number == 2:
            type = each.integer()
        elif each.number == 8:
            name = _text(each)
        elif each.number == 13:
            pair = _by_number(each.message("external data"))
            outside[_text(pair.get(1))] = _text(pair.get(2))
        elif each.number == 14:
            external = each.integer() == _EXTERNAL
        elif each.number in (_RAW, _FLOATS, _INT32, _INT64, _DOUBLES, _UINT64):
            pieces.setdefault(each.number, []).append(each)
    if len(dims) > _MOST_AXES or any(dim < 0 for dim in dims):
        raise message.fault(0, f"a tensor '{name}' of the shape {dims[:_MOST_AXES]}")
    held = {number: tuple(rows) for number, rows in pieces.items()}
    return Tensor(message, name, tuple(dims), type, held, outside if external else None)


def _value(message: wire.Message) -> Value:
    fields = _by_number(message)
    name = _text(fields.get(1))
    kinds = _by_number(fields[2].message("type")) if 2 in fields else {}
    if 1 not in kinds:
        return Value(name)
    about = _by_number(kinds[1].message("tensor type"))
    type = _integer(about.get(1))
    if 2 not in about:
        return Value(name, type)
    dims: list[int | str | None] = []
    for each in about[2].message("shape").fields():
        dim = _by_number(each.message("length"))
        length = _integer(dim.get(1))
        dims.append(length if 1 in dim and length > 0 else _text(dim.get(2)) or None)
    if len(dims) > _MOST_AXES:
        raise message.fault(0, f"a value '{name}' of {len(dims)} axes")
    return Value(name, type, tuple(dims))


def _by_number(message: wire.Message) -> dict[int, wire.Field]:
    """The last field of each number."""
    return {each.number: each for each in message.fields()}


def _text(each: wire.Field | None) -> str:
    return "" if each is None else bytes(each.message("text").data).decode("utf-8", errors="replace")


def _integer(each: wire.Field | None) -> int:
    return 0 if each is None else each.integer()
