"""The flat list of layers that expansion writes, and the blob that the next entry reads when it names none."""

from __future__ import annotations

from netspec.core.nodes import Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.rooms import UnknownWord
from netspec.language.blocks import BadBlockError, Blocks, Frame
from netspec.language.defaults import Defaults
from netspec.language.document import TooLargeError
from netspec.language.scopes import Stop, is_nothing
from netspec.language.variables import Variables
from netspec.layers.base import LAYERS, Layer

MAX_LAYERS = 8_000
"""Layers that a net may have once blocks and repeats are expanded."""


class FlatLayers:
    """The layers written so far, under the net's defaults."""

    def __init__(self, variables: Variables, blocks: Blocks) -> None:
        self.variables, self.blocks, self.defaults = variables, blocks, Defaults(variables)
        self.layers: list[Node] = []
        self.above: str | None = None
        """The blob that an entry without `bottom` reads: the first top of the entry above it."""
        self.asked: Place | None = None
        """Place of an instance's `bottom:`, until its first layer reads it."""
        self.last: str | None = None
        """The first top of the last layer written."""

    def write(self, node: Mapping, frame: Frame) -> None:
        """Append one layer: its fields over the defaults of its type, its names and blobs in full."""
        items, keys = dict(node.items), dict(node.keys)
        name, word = items.get("name"), items.get("type")
        if isinstance(name, Scalar) and isinstance(name.value, str) and frame.prefix:
            items["name"] = Scalar(frame.prefix + name.value, name.at)
        cls = _class_of(word)
        if isinstance(word, Scalar) and isinstance(word.value, str):
            self.defaults.merge(word.value, items, keys, name.at if isinstance(name, Scalar) else node.at)
            if cls is None and word.value in self.blocks.tables:
                text = f"'{word.value}' is a block, not a layer type"
                self.variables.found.add(BadBlockError(text, at=word.at, help=f"write `block: {word.value}`"))
        if "bottom" in items:
            items["bottom"] = frame.bottoms(items["bottom"])
        elif self.above is not None and self.above != self.last and (cls is None or cls.bottoms.most != 0):
            at = self.asked or (name.at if isinstance(name, Scalar) else node.at)
            items["bottom"], keys["bottom"] = Scalar(self.above, at), at
        if "top" in items:
            items["top"] = frame.tops(items["top"])
        if frame.rules and ("include" in items or "exclude" in items):
            frame.ruled_once(keys["include" if "include" in items else "exclude"], "the layer", self.variables.found)
        else:
            for key, (place, rule) in frame.rules.items():
                items[key], keys[key] = rule, place
        said = {key: value for key, value in items.items() if not (is_nothing(value) and _optional(cls, key))}
        flat = Mapping(said, {key: keys[key] for key in said}, node.at)
        self.variables.count(flat, node.at)
        self.layers.append(flat)
        if len(self.layers) > MAX_LAYERS:
            self.variables.found.add(
                TooLargeError(f"more than {MAX_LAYERS:,} layers once blocks and repeats are expanded", at=node.at)
            )
            raise Stop
        self.last = self.above = _first_top(flat, cls) or self.last
        self.asked = None


def _class_of(word: Node | None) -> type[Layer] | None:
    try:
        return LAYERS.get(word.value) if isinstance(word, Scalar) and isinstance(word.value, str) else None
    except UnknownWord:
        return None


def _optional(cls: type[Layer] | None, key: str) -> bool:
    """Whether a field may be left out, so that `key: ~` means that it is not given."""
    info = cls.model_fields.get(key) if cls is not None else None
    return info is not None and not info.is_required()


def _first_top(layer: Mapping, cls: type[Layer] | None) -> str | None:
    """The first blob that a flat layer writes."""
    node = layer.items.get("top")
    if node is None and (cls is None or (cls.tops.least <= 1 and cls.tops.most != 0)):
        node = layer.items.get("name")
    first = node.items[0] if isinstance(node, Items) and node.items else node
    return first.value if isinstance(first, Scalar) and isinstance(first.value, str) else None
