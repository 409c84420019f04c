"""Settings of params by pattern: `params: [{match: "conv*", lr_mult: 0}]` in a solver.

A pattern matches names of layers, and of params as layer.param, with `*`, `?` and `[...]`. Of several that match, the
last one that gives a value wins. Patterns beat the layer's own `param`, and the command line beats patterns. Params
that layers store, like BatchNorm's statistics, are not learned, and no pattern gives them anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from pydantic import Field

from netspec.core.errors import Findings, SpecError
from netspec.core.model import Model
from netspec.core.nodes import Document, Mapping, Node, Sequence
from netspec.core.places import COMMAND_LINE
from netspec.core.spelling import suggest
from netspec.layers.base import Broken, Layer, ParamSpec
from netspec.net.graph import ParamKey
from netspec.net.spec import NetSpec


class PatternError(SpecError):
    """A pattern of a solver's `params` that gives nothing, or that no learned param matches."""

    code = "NS543"


class ParamsPattern(Model):
    """Settings of all params whose name, or whose layer's name, matches."""

    match: str = Field(min_length=1, description='Names of layers, or layer.param: "conv*", "*.bias".')
    lr_mult: float | None = Field(None, ge=0, description="Factor on the learning rate; 0 freezes the params.")
    decay_mult: float | None = Field(None, ge=0, description="Factor on the weight decay.")

    def matches(self, layer: str, param: str) -> bool:
        """Whether it matches a param of a layer."""
        return fnmatchcase(layer, self.match) or fnmatchcase(str(ParamKey(layer, param)), self.match)


def applied(patterns: tuple[ParamsPattern, ...], net: NetSpec, found: Findings) -> NetSpec:
    """The net with what the patterns say written into its layers' `param`. Mistakes go to `found`."""
    names = {key for layer in net.layers for _, key in _learned(layer)}
    for pattern in patterns:
        at = pattern.place("match")
        if pattern.lr_mult is None and pattern.decay_mult is None:
            help = f"like `{{match: {pattern.match!r}, lr_mult: 0}}`"
            found.add(
                PatternError(f"`match: {pattern.match}` sets neither `lr_mult` nor `decay_mult`", at=at, help=help)
            )
        if not any(pattern.matches(*key) for key in names) and not any(isinstance(one, Broken) for one in net.layers):
            layers = {key.layer for key in names}
            known = {*map(str, names)} if "." in pattern.match else layers
            text = f"no learned param of the net '{net.name}' matches '{pattern.match}'"
            found.add(PatternError(text, at=at, help=suggest(pattern.match, known)))
    return net.model_copy(update={"layers": tuple(_with(layer, patterns) for layer in net.layers)})


def _learned(layer: Layer) -> Iterator[tuple[int, ParamKey]]:
    """The slots and keys of a layer's params that may be learned."""
    if not isinstance(layer, Broken):
        for slot, param in enumerate(layer.params()):
            if param.learned:
                yield slot, ParamKey(layer.name, param.name)


def _with(layer: Layer, patterns: tuple[ParamsPattern, ...]) -> Layer:
    """A layer with what the patterns say of its params."""
    specs = list(layer.param)
    for slot, key in _learned(layer):
        for pattern in patterns:
            if pattern.matches(*key):
                specs += [ParamSpec() for _ in range(slot + 1 - len(specs))]
                given = {
                    field: value
                    for field in ("lr_mult", "decay_mult")
                    if (value := getattr(pattern, field)) is not None and not _commanded(layer, slot, field)
                }
                specs[slot] = _updated(specs[slot], pattern, given)
    return layer.model_copy(update={"param": tuple(specs)}).read_from(_node(layer, specs)) if specs else layer


def _updated(spec: ParamSpec, pattern: ParamsPattern, given: dict[str, float]) -> ParamSpec:
    """A spec with the values of some fields, whose places are those in the pattern."""
    node, said = spec.written, pattern.written
    if isinstance(said, Mapping):
        node = node if isinstance(node, Mapping) else Mapping({}, {}, said.at)
        for field in given:
            node = node.with_item(field, said.items[field], said.keys[field])
    return spec.model_copy(update=given).read_from(node)


def _node(layer: Layer, specs: list[ParamSpec]) -> Node | None:
    """The node of a layer in which `param` is where these specs were written."""
    node = layer.written
    if not isinstance(node, Mapping):
        return node
    items = tuple(spec.written or Mapping({}, {}, node.at) for spec in specs)
    return node.with_item("param", Sequence(items, node.at), node.keys.get("param", node.at))


def _commanded(layer: Layer, slot: int, field: str) -> bool:
    """Whether a field of a param was given on the command line."""
    given = slot < len(layer.param) and getattr(layer.param[slot], field) is not None
    at = layer.place("param", slot, field)
    return given and at is not None and at.source.name == COMMAND_LINE


def in_document(net: NetSpec, document: Document) -> Document:
    """The document of a net in which the layers' `param` is as the net has it."""
    layers = document.root.items["layers"]
    assert isinstance(layers, Sequence)
    items = tuple(layer.written or node for layer, node in zip(net.layers, layers.items, strict=True))
    root = document.root.with_item("layers", replace(layers, items=items), document.root.keys["layers"])
    return replace(document, root=root)
