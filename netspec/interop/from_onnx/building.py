"""A net as it comes about: layers with their bottoms, weights and shapes, and names at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from netspec.core.shape import Shape, ShapeError, count, filled, text
from netspec.formats.onnx_model import Node
from netspec.interop.yaml_text import Written, layer_of
from netspec.net.graph import ParamKey
from netspec.net.infer import MAX_COUNT

if TYPE_CHECKING:
    from netspec.core.calls import Array


FROZEN = {"lr_mult": 0, "decay_mult": 0}
"""The `param` of numbers that no training shall change."""


class Lack(Exception):
    """An operator asks for what no layer can do; the text says what."""


@dataclass(eq=False)
class Blob:
    """A blob of the net: its shape, the axis of the batch, and its name once it has one.

    `whole` says that all its values are whole numbers.
    """

    shape: Shape
    batch: int | None
    name: str = ""
    whole: bool = False


@dataclass(eq=False)
class Entry:
    """A layer of the net: its fields but for names, and its weights by param.

    `wanted` is the name that it would like to have. A layer that `lacks` something stands for an operator that no
    layer is, but that patterns of layers may contain; `number` is that operator's.
    """

    type: str
    fields: dict[str, Any]
    bottoms: tuple[Blob, ...]
    tops: tuple[Blob, ...]
    wanted: str
    weights: dict[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lacks: str = ""
    number: int = 0


class Building:
    """The layers so far. `batch` is the batch size that shapes are written with.

    `most` are the bytes that all computed constants may take: a small file may ask for large ones.
    """

    def __init__(self, batch: int, most: int) -> None:
        self.batch = batch
        self._left = most
        self.entries: list[Entry] = []
        self._makers: dict[int, Entry] = {}

    def room(self, shape: Shape, size: int = 8) -> None:
        """Take room for a constant of `size` bytes a value. Raises Lack where there is none."""
        if any(length < 0 for length in shape):
            raise Lack("a constant has a negative length")
        self._left -= count(shape) * size
        if self._left < 0:
            raise Lack("its constants are too large for a file of this size")

    def input(self, name: str, shape: Shape, batch: int | None, whole: bool) -> Blob:
        """The blob of an input of the model."""
        fields: dict[str, Any] = {"shape": list(shape)} | ({"batch_axis": batch} if batch else {})
        (blob,) = self.add("Input", (), name, **fields)
        blob.name, blob.batch, blob.whole = name, batch, whole
        return blob

    def add(
        self,
        type: str,
        bottoms: Sequence[Blob],
        wanted: str,
        weights: Iterable[Array] = (),
        tops: int = 1,
        notes: Iterable[str] = (),
        **fields: Any,
    ) -> tuple[Blob, ...]:
        """Add a layer; its tops. `weights` are its params in order. Raises Lack where it does not fit."""
        fields = {key: value for key, value in fields.items() if value is not None}
        known = {} if tops == 1 else {"top": [f"top{number}" for number in range(tops)]}
        known |= {"bottom": [f"bottom{number}" for number in range(len(bottoms))]} if bottoms else {}
        shapes = tuple(blob.shape for blob in bottoms)
        try:
            layer = layer_of({"name": "layer", "type": type, **known, **fields})
            found = layer.top_shapes(shapes) if layer.tops.most != 0 else ()
            wants = dict(zip((param.name for param in layer.params()), layer.param_shapes(shapes), strict=True))
            axes = layer.batch_axes(shapes, tuple(blob.batch for blob in bottoms)) if found else ()
        except ValidationError as error:
            raise Lack(_sentence(type, error)) from None
        except ShapeError as error:
            raise Lack(f"{type}: {filled(error.message, [text(shape) for shape in shapes])}") from None
        if any(count(shape) > MAX_COUNT for shape in found):
            raise Lack(f"{type}: a blob of {text(max(found, key=count))} is too large")
        arrays = dict(zip(wants, weights, strict=False))
        for param, array in arrays.items():
            if array.shape != wants[param]:
                raise Lack(f"{type}: its {param} would be {text(wants[param])}, and is {text(array.shape)}")
        blobs = tuple(Blob(shape, axis) for shape, axis in zip(found, axes, strict=True))
        entry = Entry(type, fields, tuple(bottoms), blobs, wanted, arrays, tuple(notes))
        self.entries.append(entry)
        self._makers.update((id(blob), entry) for blob in blobs)
        return blobs

    def stand_in(
        self, type: str, bottoms: Sequence[Blob], shape: Shape, batch: int | None, lacks: str, number: int
    ) -> Blob:
        """The top of an operator that no layer is, to be looked for by patterns above it."""
        top = Blob(shape, batch)
        entry = Entry(type, {}, tuple(bottoms), (top,), type, lacks=lacks, number=number)
        self.entries.append(entry)
        self._makers[id(top)] = entry
        return top

    def prune(self, outputs: Iterable[Blob]) -> list[Entry]:
        """Leave out layers that no output depends on; those among the others that only stand in for an operator."""
        wanted, kept = {id(blob) for blob in outputs}, list[Entry]()
        made: set[int] = set()
        for entry in reversed(self.entries):
            if any(id(top) in wanted for top in entry.tops):
                wanted.update(map(id, entry.bottoms))
                made.update(map(id, entry.tops))
                kept.append(entry)
            elif entry.type == "Silence":
                kept.append(entry)
        for entry in kept:
            if entry.type == "Silence":
                entry.bottoms = tuple(blob for blob in entry.bottoms if id(blob) in made and id(blob) not in wanted)
        self.entries = [entry for entry in kept[::-1] if entry.type != "Silence" or entry.bottoms]
        return [entry for entry in self.entries if entry.lacks]

    def maker(self, blob: Blob) -> Entry:
        """The layer that writes a blob."""
        return self._makers[id(blob)]

    def named(self, outputs: Mapping[str, Blob]) -> None:
        """Give every layer and blob its name; `outputs` are those of the model, by name."""
        for name, blob in outputs.items():
            if not blob.name:
                blob.name = name
            elif blob.name != name:
                (copy,) = self.add("Split", (blob,), name)
                copy.name = name
        taken = {blob.name for entry in self.entries for blob in entry.tops if blob.name}
        names: set[str] = set()
        counts: dict[str, int] = {}

        def free(word: str, used: Container[str]) -> str:
            """The word, or where it is used already, the word with the next number behind it."""
            name = word
            while name in used or name in names:
                counts[word] = counts.get(word, 1) + 1
                name = f"{word}_{counts[word]}"
            return name

        for entry in self.entries:
            own = entry.tops[0].name if len(entry.tops) == 1 else ""
            entry.wanted = free(entry.wanted, () if entry.wanted == own else taken)
            names.add(entry.wanted)
            for number, blob in enumerate(entry.tops):
                if not blob.name:
                    blob.name = entry.wanted if len(entry.tops) == 1 else free(f"{entry.wanted}_{number + 1}", taken)
                    taken.add(blob.name)

    def written(self) -> list[Written]:
        """The layers as they stand in YAML."""
        return [
            Written(
                {
                    "name": entry.wanted,
                    "type": entry.type,
                    **({"bottom": [blob.name for blob in entry.bottoms]} if entry.bottoms else {}),
                    **({"top": [blob.name for blob in entry.tops]} if entry.tops else {}),
                    **entry.fields,
                },
                entry.notes,
            )
            for entry in self.entries
        ]

    def weights(self) -> dict[ParamKey, Array]:
        """The weights of all layers."""
        return {
            ParamKey(entry.wanted, param): array for entry in self.entries for param, array in entry.weights.items()
        }


def _sentence(type: str, error: ValidationError) -> str:
    """What pydantic says of the fields of a layer."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{type}: {where + ': ' if where else ''}{first['msg']}"


_ROLE = re.compile(r"[._](weight|bias|weight_\w+|bias_\w+|w|b|gamma|beta|running_mean|running_var|moving_mean)$", re.I)


def name_of(node: Node, is_initial: Callable[[str], bool]) -> str:
    """A name for the layer of a node: that of its weights without `.weight`, or the node's own.

    PyTorch's exporters name nodes by the modules that they lie in, /layer1/layer1.0/conv1/Conv, and by their operators.
    """
    for name in node.inputs:
        if is_initial(name) and _ROLE.search(name) and "::" not in name:
            return _ROLE.sub("", name).removeprefix("p_").strip("/") or node.op.lower()
    parts = [part for part in node.name.removeprefix("node_").split("/") if part]
    if parts and re.fullmatch(rf"{re.escape(node.op)}(_\d+)?'*", parts[-1]):
        parts.pop()
    if not node.name.startswith("/"):
        return "/".join(parts) or node.op.lower()
    kept = [part for part, after in zip(parts, [*parts[1:], ""], strict=False) if not after.startswith(f"{part}.")]
    return ".".join(kept) or node.op.lower()
