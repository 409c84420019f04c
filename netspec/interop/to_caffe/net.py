"""A net in Caffe's words: its layers in order, each as one or several layers of Caffe.

A blob that is written in place keeps its name where Caffe computes the layer in place too. Where a layer becomes
several, which may read what the last of them overwrites, its top gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from netspec.core.errors import Findings
from netspec.core.spelling import unused
from netspec.interop.exported import Exported
from netspec.interop.to_caffe import elementwise, sequences, shaping
from netspec.interop.to_caffe.case import CaffeLayer, Case, Convert, finished
from netspec.interop.to_caffe.direct import direct
from netspec.layers.base import Layer
from netspec.net.graph import Node, ParamKey
from netspec.net.shaped import ShapedGraph
from netspec.prototxt.fields import MESSAGES, PLAIN_TYPES

CONVERTERS: dict[str, Convert] = {**elementwise.CONVERTERS, **shaping.CONVERTERS, **sequences.CONVERTERS}
"""Layer types that Caffe does not have, or that take more than their fields: how each is said in Caffe."""


@dataclass(frozen=True)
class CaffeNet:
    """A net in Caffe's words; `notes` say what is otherwise than in netspec."""

    name: str
    layers: tuple[CaffeLayer, ...]
    force_backward: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def caffe_net(
    net: Exported, forks: bool = False, given: Mapping[str, list[CaffeLayer]] = MappingProxyType({})
) -> CaffeNet:
    """A net in Caffe's words: the deploy view alone, or all phases in one.

    `forks`: with layers that only forks have. `given` are layers that take the place of others, by their names.
    Raises every mistake of the net, and NoMeaningError for each layer that cannot be said.
    """
    walk = _Walk(net.every, net.view is not None, forks, given)
    if net.view is not None:
        made = walk.run(tuple(node.layer for node in net.shaped.graph.nodes))
        return CaffeNet(net.shaped.graph.name, tuple(made), notes=tuple(walk.notes))
    spec = net.phases.spec
    made = walk.run(spec.layers)
    state = {key: list(of) if isinstance(of, tuple) else of for key, of in spec.state.model_dump().items() if of}
    return CaffeNet(spec.name, tuple(made), spec.force_backward, state, tuple(walk.notes))


def phase_layers(shaped: ShapedGraph) -> tuple[CaffeLayer, ...]:
    """The layers of a net in its phase alone, with those of Caffe's forks. Raises NoMeaningError."""
    walk = _Walk((shaped,), False, True, MappingProxyType({}))
    return tuple(walk.run(tuple(node.layer for node in shaped.graph.nodes)))


@dataclass
class _Walk:
    """The walk through the layers. `names` are the blobs in Caffe, by layer and number of the top."""

    shaped: tuple[ShapedGraph, ...]
    deploy: bool
    forks: bool
    given: Mapping[str, list[CaffeLayer]]
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes: dict[int, list[tuple[ShapedGraph, Node]]] = {}
        for shaped in self.shaped:
            for node in shaped.graph.nodes:
                self.nodes.setdefault(id(node.layer), []).append((shaped, node))
        graphs = [shaped.graph for shaped in self.shaped]
        self.taken = {node.layer.name for graph in graphs for node in graph.nodes}
        self.taken |= {blob.name for graph in graphs for blob in graph.blobs}

    def run(self, layers: tuple[Layer, ...]) -> Iterator[CaffeLayer]:
        """The layers of Caffe that all layers become. Raises NoMeaningError."""
        found, made = Findings(), list[CaffeLayer]()
        for layer in layers:
            if id(layer) not in self.nodes:
                self.notes.append(f"layer '{layer.name}' is left out: it takes part in no phase")
                continue
            with found.catching():
                made += self._converted(layer)
        found.raise_if_any()
        yield from made

    def _converted(self, layer: Layer) -> list[CaffeLayer]:
        """The layers that one becomes. Raises NoMeaningError."""
        case = self._case(layer)
        if layer.name in self.given:
            self._named(layer, case.tops)
            return self.given[layer.name]
        convert = CONVERTERS.get(layer.type) or (direct if layer.type in {*MESSAGES, *PLAIN_TYPES} else None)
        if convert is None:
            self._named(layer, case.tops)
            raise case.refused("Caffe has nothing like it")
        try:
            made = list(convert(replace(case, taken=(taken := set(self.taken)))))
            if len(made) > 1 and layer.type != "BatchNorm" and not set(case.tops).isdisjoint(case.bottoms):
                case = replace(case, tops=tuple(unused(f"{top}_{layer.name}", taken) for top in case.tops))
                made = list(convert(replace(case, taken=(taken := {*self.taken, *case.tops}))))
        finally:
            self._named(layer, case.tops)
        self.taken = taken
        return finished(case, made)

    def _named(self, layer: Layer, tops: tuple[str, ...]) -> None:
        self.names |= {(id(layer), slot): top for slot, top in enumerate(tops)}

    def _case(self, layer: Layer) -> Case:
        """The case of a layer, whose bottoms and tops have one name in all phases. Raises NoMeaningError."""
        shaped, node = self.nodes[id(layer)][0]
        bottoms = [self._bottoms(one, of) for one, of in self.nodes[id(layer)]]
        tops = []
        for top in node.tops:
            name = shaped.graph.blobs[top].name
            over = [slot for slot, bottom in enumerate(node.bottoms) if shaped.graph.blobs[bottom].name == name]
            tops.append(bottoms[0][over[0]] if over else name)
        case = Case(
            layer,
            bottoms[0],
            tuple(tops),
            shaped.bottom_shapes(node),
            tuple(shaped.blobs[top] for top in node.tops),
            tuple(ParamKey(layer.name, param.name) for param in layer.params()),
            self.deploy,
            self.forks,
            self.taken,
            self.notes,
        )
        if any(other != bottoms[0] for other in bottoms):
            self._named(layer, case.tops)
            raise case.refused("it reads other blobs in TRAIN than in TEST, which Caffe's file cannot say", "bottom")
        return case

    def _bottoms(self, shaped: ShapedGraph, node: Node) -> tuple[str, ...]:
        """The names that the bottoms of a layer have in Caffe."""
        blobs = [shaped.graph.blobs[bottom] for bottom in node.bottoms]
        makers = [(id(shaped.graph.nodes[blob.producer].layer), blob.slot) for blob in blobs]
        return tuple(self.names.get(maker, blob.name) for maker, blob in zip(makers, blobs, strict=True))
