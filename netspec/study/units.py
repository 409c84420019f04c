"""Units: the layers of a net in both phases as they are compared, with all that they mean written out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from netspec.core.calls import Phase
from netspec.core.described import described
from netspec.core.shape import Shapes, Window
from netspec.engine.footprint import LayerBytes, layer_bytes, peak, weight_bytes
from netspec.engine.plan import MemoryPlan, plan
from netspec.engine.rewrite import rewrite
from netspec.layers.base import Layer
from netspec.net.graph import Graph, Node
from netspec.net.load import load_phases
from netspec.net.shaped import ShapedGraph
from netspec.training.nets import Chosen

Read = tuple[int, int]
"""A bottom of a layer: the unit that makes it, and the number of the top there."""


@dataclass(frozen=True)
class Unit:
    """A layer of a net, wherever it takes part.

    `terms` hold what it computes and learns, all defaults left out; `usual` the values of its fields that are left
    out there. `reads` are its bottoms by phase, in order. `shares[i]` is the unit that owns param i, with the number
    of the param there; None for its own. `shapes` are those of a sample, without the batch. `outputs` names the tops
    that no layer reads. MACs are of a sample.
    """

    index: int
    name: str
    type: str
    terms: Mapping[str, Any]
    usual: Mapping[str, Any]
    reads: Mapping[Phase, tuple[Read, ...]]
    shares: tuple[Read | None, ...]
    shapes: Shapes
    outputs: Mapping[int, str]
    params: int
    stored: int
    macs: int
    bytes: LayerBytes

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that it takes part in."""
        return tuple(self.reads)

    @property
    def first_reads(self) -> tuple[Read, ...]:
        """Its bottoms in the first phase that it takes part in."""
        return next(iter(self.reads.values()))

    @cached_property
    def meaning(self) -> str:
        """What it is by itself, as a text: its type, its terms and its phases."""
        return json.dumps([self.type, self.terms, self.phases], sort_keys=True, default=str)


@dataclass(frozen=True)
class Units:
    """The layers of a net in order, and its totals; bytes are of the batch, MACs of a sample.

    `forward_bytes` and `training_bytes` are peaks; None where the net has no such phase.
    """

    name: str
    units: tuple[Unit, ...]
    batch: int
    dtype: str
    unit: str
    params: int
    stored: int
    macs: int
    weight_bytes: int
    forward_bytes: int | None
    training_bytes: int | None
    readers: tuple[tuple[Read, ...], ...] = field(repr=False)
    """For each unit the units that read it in the first of their phases, each with the number of its bottom."""


@dataclass(frozen=True)
class _Phase:
    """A phase of a net: its shapes as written, and the rewritten net with its plan.

    `units` has the unit of each of its nodes, `places` the number of the node of each unit.
    """

    shaped: ShapedGraph
    rewritten: ShapedGraph
    memory: MemoryPlan
    written: tuple[Node, ...]
    units: tuple[int, ...]
    places: Mapping[int, int]

    def read(self, blob: int) -> Read:
        made = self.shaped.graph.blobs[blob]
        return self.units[made.producer], made.slot


def units(chosen: Chosen) -> Units:
    """The layers of a net. Raises every mistake of the net."""
    loaded = load_phases(chosen.net, (), chosen.state, chosen.batch)
    both = [shaped for shaped in (loaded.train, loaded.test) if shaped is not None]
    kept = [[i for i, layer in enumerate(loaded.spec.layers) if one.graph.state.keeps(layer)] for one in both]
    order = {layer: unit for unit, layer in enumerate(sorted({layer for layers in kept for layer in layers}))}
    phases = []
    for shaped, layers in zip(both, kept, strict=True):
        rewritten = rewrite(shaped)
        own = tuple(order[layer] for layer in layers)
        places = {unit: place for place, unit in enumerate(own)}
        memory = plan(rewritten, chosen.dtype)
        phases.append(_Phase(shaped, rewritten, memory, rewritten.graph.written, own, places))
    found = tuple(_unit(unit, phases) for unit in range(len(order)))
    readers: list[list[Read]] = [[] for _ in found]
    for one in found:
        for slot, (maker, _) in enumerate(one.first_reads):
            readers[maker].append((one.index, slot))
    first = phases[0].shaped
    peaks = {phase.shaped.graph.phase: peak(phase.rewritten, phase.memory) for phase in phases}
    return Units(
        loaded.spec.name,
        found,
        max(1, first.batch),
        chosen.dtype,
        first.unit,
        first.total_params,
        first.stored_params,
        first.total_macs // max(1, first.batch),
        weight_bytes(first, chosen.dtype),
        peaks.get("TEST"),
        peaks.get("TRAIN"),
        tuple(map(tuple, readers)),
    )


def _unit(index: int, phases: list[_Phase]) -> Unit:
    """The unit of a number; its shapes and costs are those of its first phase."""
    own = {phase.shaped.graph.phase: phase for phase in phases if index in phase.places}
    first = next(iter(own.values()))
    place = first.places[index]
    shaped, node = first.shaped, first.shaped.graph.nodes[place]
    layer, cost = node.layer, shaped.costs[node.index]
    free = set(shaped.graph.outputs)
    return Unit(
        index,
        layer.name,
        layer.type,
        dict(_terms(layer, node, shaped.graph)),
        _usual(layer),
        {
            name: tuple(map(phase.read, phase.shaped.graph.nodes[phase.places[index]].bottoms))
            for name, phase in own.items()
        },
        tuple(_owner(first, node, param) for param in node.params),
        tuple(map(shaped.sample_shape, node.tops)),
        {slot: shaped.graph.blobs[top].name for slot, top in enumerate(node.tops) if top in free},
        cost.params,
        cost.stored,
        cost.macs // max(1, shaped.batch),
        layer_bytes(first.rewritten, first.memory, first.written[place]),
    )


def _owner(phase: _Phase, node: Node, param: int) -> Read | None:
    owner, slot = phase.shaped.graph.params[param].users[0]
    return None if owner == node.index else (phase.units[owner], slot)


def _terms(layer: Layer, node: Node, graph: Graph) -> Iterator[tuple[str, Any]]:
    """What a layer computes and learns, by the name of each term: in one form, however it was written."""
    yield from _own_terms(layer)
    for param, index in zip(layer.params(), node.params, strict=True):
        held = graph.params[index]
        yield f"{param.name}_filler", described(param.filler)
        if param.learned:
            yield from ((f"{param.name}.{key}", value) for key, value in _factors(held.lr_mult, held.decay_mult))
    weights = [graph.blobs[top].loss_weight for top in node.tops]
    if any(weights):
        yield "loss_weight", weights[0] if len(weights) == 1 else weights
    if not all(layer.propagate_down or (True,)):
        yield "propagate_down", list(layer.propagate_down or ())


def _own_terms(layer: Layer) -> Iterator[tuple[str, Any]]:
    """The fields of a layer that decide what it computes, and the data that it brings.

    The measures of a window stand each by itself; one that is equal along both axes is one number.
    """
    for name, value in layer.identity().items():
        if name != "window":
            yield name, described(value)
            continue
        for measure, axes in value.items():
            yield _FIELD.get(measure, measure), axes[0] if len({*axes}) == 1 else list(axes)
    if layer.brings is not None:
        yield "data", described(layer.brings)


_FIELD = {"kernel": "kernel_size"}
"""Measures of a window whose field has a longer name."""


def _usual(layer: Layer) -> dict[str, Any]:
    """The values of terms that are left out."""
    fields = {
        name: described(info.default) for name, info in type(layer).model_fields.items() if not info.is_required()
    }
    factors = {f"{param.name}.{key}": 1.0 for param in layer.params() for key in ("lr_mult", "decay_mult")}
    window = dict(zip(Window._fields[1:], Window(0)[1:], strict=True))
    return fields | window | factors | {"loss_weight": 0.0, "propagate_down": True}


def _factors(rate: float, decay: float) -> Iterator[tuple[str, float]]:
    """The factors of a param on rate and decay that are not 1."""
    yield from ((key, value) for key, value in (("lr_mult", rate), ("decay_mult", decay)) if value != 1)
