"""Bytes that a planned net needs: each layer's own, those of its weights, and the peak of a phase."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.shape import FLOAT_BYTES, count
from netspec.engine.plan import MemoryPlan
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph


@dataclass(frozen=True)
class LayerBytes:
    """Bytes of a layer: its weights, its tops with memory of their own, and both with what a training adds.

    `training` counts weights and activations, the gradients of both, and a history of the weights; 0 in TEST.
    """

    weights: int
    activations: int
    training: int


def layer_bytes(shaped: ShapedGraph, memory: MemoryPlan, node: Node) -> LayerBytes:
    """The bytes of a layer of a rewritten net; a shared param belongs to the first layer that has it."""
    net, cost, size = shaped.graph, shaped.costs[node.index], FLOAT_BYTES[memory.dtype]
    own = [top for top in node.tops if ("data", top) in memory.pieces]
    learned = sum(
        count(shaped.params[p])
        for p in node.params
        if net.params[p].users[0][0] == node.index and net.params[p].learned
    )
    weights, activations = (cost.params + cost.stored) * size, sum(count(shaped.blobs[top]) for top in own) * size
    diffs = sum(count(shaped.blobs[top]) for top in own if ("diff", top) in memory.pieces) * size
    training = weights + 2 * learned * size + activations + diffs if net.phase == "TRAIN" else 0
    return LayerBytes(weights, activations, training)


def weight_bytes(shaped: ShapedGraph, dtype: str) -> int:
    """The bytes of all params, learned and stored."""
    return (shaped.total_params + shaped.stored_params) * FLOAT_BYTES[dtype]


def peak(shaped: ShapedGraph, memory: MemoryPlan) -> int | None:
    """Peak memory of a net in bytes; None for a TRAIN net that learns nothing."""
    training = shaped.graph.phase == "TRAIN"
    if training and not any(node.backward for node in shaped.graph.nodes):
        return None
    size = FLOAT_BYTES[memory.dtype]
    learned = sum(count(shape) for shape, p in zip(shaped.params, shaped.graph.params, strict=True) if p.learned)
    own = memory.arena + memory.fixed_bytes
    return own + weight_bytes(shaped, memory.dtype) + (2 * learned * size if training else 0)
