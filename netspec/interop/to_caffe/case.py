"""A layer on its way to Caffe, and the layers of Caffe that it becomes.

A converter takes a `Case` and yields `CaffeLayer`s, the last of which writes the case's tops. What all layers have,
rules, settings of params and loss weights, `finished` adds to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from netspec.core.errors import SpecError
from netspec.core.shape import Shape, Shapes
from netspec.layers.base import Layer, ParamSpec, StateRule
from netspec.net.graph import ParamKey


class NoMeaningError(SpecError):
    """A layer of a net, or a field of it, has no meaning in the program that the net is exported to."""

    code = "NS740"


@dataclass(frozen=True)
class Filled:
    """A param blob that the layer itself does not have: of one value, and not learned."""

    shape: Shape
    value: float


Blob = ParamKey | Filled


@dataclass(frozen=True)
class CaffeLayer:
    """A layer in Caffe's words: the values of a LayerParameter by field, and its param blobs in Caffe's order."""

    values: dict[str, Any]
    blobs: tuple[Blob, ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.values["name"])


@dataclass(frozen=True)
class Case:
    """A layer with its blobs under the names that they have in the Caffe net, their shapes, and the keys of its params.

    `deploy`: the net only answers, so that noise does nothing, and fillers are left out. `forks`: layers that only
    forks of Caffe have may be used. `taken` are names of layers and blobs that are in use; `notes` collects what is
    worth saying.
    """

    layer: Layer
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    bottom_shapes: Shapes
    top_shapes: Shapes
    params: tuple[ParamKey, ...] = ()
    deploy: bool = False
    forks: bool = False
    taken: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def caffe(
        self,
        type: str,
        bottom: Sequence[str] | str | None = None,
        top: Sequence[str] | str | None = None,
        blobs: Sequence[Blob] = (),
        name: str | None = None,
        messages: Mapping[str, Any] = MappingProxyType({}),
        **own: Any,
    ) -> CaffeLayer:
        """A layer of Caffe with the case's name, bottoms and tops where no others are given.

        `messages` and `own` are its own fields, by message; empty ones are left out.
        """
        names = {"bottom": self.bottoms if bottom is None else bottom, "top": self.tops if top is None else top}
        values: dict[str, Any] = {"name": name or self.layer.name, "type": type}
        values |= {key: [of] if isinstance(of, str) else [*of] for key, of in names.items()}
        return CaffeLayer(values | {key: value for key, value in {**messages, **own}.items() if value}, tuple(blobs))

    def step(self, type: str, suffix: str, bottom: Sequence[str] | str, **messages: Any) -> tuple[CaffeLayer, str]:
        """A layer of Caffe on the way to the last, called after the case's layer and a suffix, and its top."""
        name = self.fresh(suffix)
        return self.caffe(type, bottom, name, name=name, **messages), name

    def fresh(self, suffix: str) -> str:
        """A name for a layer and its top that nothing has yet: NAME_suffix."""
        name = base = f"{self.layer.name}_{suffix}"
        number = 1
        while name in self.taken:
            number += 1
            name = f"{base}{number}"
        self.taken.add(name)
        return name

    def refused(self, why: str, field: str = "type") -> NoMeaningError:
        """The error that the layer has no meaning in Caffe, and why; `field` is where it was written."""
        kind = self.layer.type
        return NoMeaningError(f"layer '{self.layer.name}' ({kind}): {why}", at=self.layer.place(field), help=self.hint)

    @property
    def hint(self) -> str | None:
        """Another way to export the net."""
        if self.deploy:
            return None
        left = self.layer.is_loss or self.layer.purpose in ("loss", "score", "noise")
        return "`--deploy` exports the net as it predicts, without it" if left else None


Convert = Callable[[Case], Iterator[CaffeLayer]]


def finished(case: Case, made: Sequence[CaffeLayer]) -> list[CaffeLayer]:
    """The layers that a case became, with the rules, loss weights, gradients and settings of params of its layer."""
    layer = case.layer
    rules = {key: [_rule(rule) for rule in getattr(layer, key) or ()] for key in ("include", "exclude")}
    if len(made) > 1 and layer.propagate_down is not None:
        raise case.refused("it becomes several layers, for which `propagate_down` has no meaning", "propagate_down")
    found = []
    for one in made:
        values = dict(one.values)
        if one is made[-1] and layer.loss_weight is not None:
            values["loss_weight"] = list(layer.loss_weight)[: len(values["top"])]
        if layer.propagate_down is not None:
            values["propagate_down"] = list(layer.propagate_down)
        specs = _specs(case, one.blobs)
        found.append(replace(one, values=values | {key: of for key, of in rules.items() if of} | specs))
    return found


def _rule(rule: StateRule) -> dict[str, Any]:
    values = rule.model_dump(exclude_defaults=True)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _specs(case: Case, blobs: Sequence[Blob]) -> dict[str, Any]:
    """The settings of a layer's param blobs, as far as any are given."""
    given = dict(zip(case.params, case.layer.param, strict=False))
    specs = [
        {"lr_mult": 0.0, "decay_mult": 0.0} if isinstance(blob, Filled) else _spec(given.get(blob), case.deploy)
        for blob in blobs
    ]
    while specs and not specs[-1]:
        specs.pop()
    return {"param": specs} if specs else {}


def _spec(spec: ParamSpec | None, deploy: bool) -> dict[str, Any]:
    """The settings of a param; in a net that only answers, what tells how it is learned is left out."""
    values: dict[str, Any] = {} if spec is None else spec.model_dump(exclude_defaults=True)
    return {key: value for key, value in values.items() if not deploy or key in ("name", "share_mode")}
