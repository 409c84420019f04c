"""Document to NetSpec: pydantic checks every field, and every error points at the place of its value.

A layer that does not validate is replaced by `Broken`, so that later passes still check the sound layers.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from netspec.core.errors import Findings
from netspec.core.model import Listed, Model
from netspec.core.nodes import Document, Mapping, Node, Scalar, Sequence, locate
from netspec.core.rooms import UnknownWord
from netspec.language import elsewhere, words
from netspec.language.validate import (
    MissingFieldError,
    Subject,
    UnknownFieldError,
    UnknownWordError,
    WrongTypeError,
    head,
    say,
    validate,
)
from netspec.layers.base import LAYERS, Broken, Layer


class OwnState(Model, defer_build=False):
    """What a net says of the state that it is used in. Source: Caffe's NetState, without the phase."""

    stage: Listed[str] = Field((), description="Stages that are set, beside those that are asked for.")
    level: int = Field(0, description="The level in a training whose solver gives none.")


class NetSpec(Model):
    """A net as the user wrote it: its layers in order."""

    name: str = Field("net", description="What the net is called.")
    cite: str | None = Field(None, description="The paper it comes from.")
    expect: dict[Literal["params", "macs"], int] = Field(
        {}, description="Totals that `check` compares: params, macs per image."
    )
    force_backward: bool = Field(False, description="Compute gradients for every bottom, inputs included.")
    state: OwnState = Field(OwnState(), description="The state that it is always in: {stage: deploy}.")
    layers: Annotated[tuple[Layer, ...], WithJsonSchema({"type": "array", "items": {}})] = Field(
        description="The layers, from the data to the loss."
    )


def net_spec(document: Document, found: Findings) -> NetSpec:
    """The net in an expanded document. Mistakes go to `found`; a layer with a mistake becomes `Broken`."""
    root = document.root
    key = "layers" if "layers" in root.items else typo("layers", root, NetSpec.model_fields)
    if key is None:
        found.add(MissingFieldError("the net has no `layers`", at=head(root), help="a net is a list of layers"))
    layers = _layers(root.items.get(key or "layers"), found)
    values = {**root.without("layers").plain(), "layers": layers}
    also = ("vars", "defaults", "blocks", "extends")
    spec: NetSpec | None = validate(Subject(NetSpec, values, root, "the net", also, elsewhere.NET), found)
    if spec is None:
        spec = NetSpec.model_construct(name="net", layers=layers)
    return spec.read_from(root)


def typo(wanted: str, node: Mapping, known: Collection[str]) -> str | None:
    """The key that was probably meant to be `wanted`."""
    return next((key for key in node.items if key not in known and words.meant(key, {*known, wanted}) == wanted), None)


def _layers(node: Node | None, found: Findings) -> tuple[Layer, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence) or not node.items:
        help = "a net of Caffe has `layer {` blocks" if node.at.source.caffe else "each entry begins with `- name:`"
        if isinstance(node, Mapping) and node.items:
            name = next(iter(node.items))
            help += f", like `- {{name: {name}, type: ...}}`"
        found.add(WrongTypeError("`layers` must be a list of layers", at=node.at, help=help))
        return ()
    layers: list[Layer] = []
    for index, item in enumerate(node.items):
        if found.more:
            break  # more mistakes than are reported
        layers.append(layer(item, index, found))
    return tuple(layers)


def layer(node: Node, index: int, found: Findings) -> Layer:
    """The layer in one entry of `layers`, or `Broken`."""
    if not isinstance(node, Mapping):
        example = str(node.value) if isinstance(node, Scalar) and node.value in LAYERS.words() else "ReLU"
        help = f"like `- {{name: {example.lower()}{index}, type: {example}}}`"
        found.add(WrongTypeError("a layer is a mapping with `name` and `type`", at=node.at, help=help))
        return _broken({}, Mapping({}, {}, node.at))
    values = node.plain()
    owner = f"layer '{values['name']}'" if isinstance(values.get("name"), str) else f"layer {index + 1}"
    key = "type" if "type" in values else typo("type", node, ())
    if key and key != "type":
        found.add(UnknownFieldError(f"{owner} has no key `{key}`", at=node.keys[key], help="did you mean 'type'?"))
    word: Any = values.pop(key) if key else None
    result: Layer | None = None
    if key is None:
        found.add(MissingFieldError(f"{owner} has no `type`", at=head(node), help="like `type: Convolution`"))
    elif not isinstance(word, str):
        text = f"{owner}: `type` must be a word, not {say(word)}"
        found.add(WrongTypeError(text, at=locate(node, key), help="like `type: Convolution`"))
    else:
        try:
            cls = LAYERS.get(word)
        except UnknownWord:
            at, text = locate(node, key), f"{owner}: there is no layer type '{word}'"
            found.add(UnknownWordError(text, at=at, help=elsewhere.word_help("layer type", word, LAYERS.words())))
        else:
            also = ["type", "block", "repeat", "when"]
            subject = Subject(cls, values, node, f"{owner} ({word})", also=also, moved=elsewhere.LAYER)
            result = validate(subject, found)
    if result is None:
        return _broken(values, node)
    return result


def _broken(values: dict[str, Any], node: Mapping) -> Layer:
    """The stand-in for a layer with a mistake; without a name that is a text, its name is empty."""

    def names(key: str) -> tuple[str, ...] | None:
        value = values.get(key)
        value = (value,) if isinstance(value, str) else value
        return value if isinstance(value, tuple) and all(isinstance(v, str) for v in value) else None

    name = values.get("name")
    stand_in = Broken.model_construct(
        name=name if isinstance(name, str) else "",
        bottom=names("bottom"),
        top=names("top"),
        include=None,
        exclude=None,
        param=(),
        loss_weight=None,
        propagate_down=None,
    )
    return stand_in.read_from(node)
