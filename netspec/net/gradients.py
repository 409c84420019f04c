"""Decides which blobs get a gradient, and which layers run backward. Source: Caffe net.cpp (Init)."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.errors import Findings, SpecError
from netspec.net.graph import Gradients, Graph


class NoGradientError(SpecError):
    """A gradient would have to flow into labels or through a metric."""

    code = "NS307"


def decide_gradients(net: Graph, found: Findings, gradients: Gradients, force: bool = False) -> Graph:
    """Set `propagate`, `backward` and `needs_diff`. Source: Caffe net.cpp.

    A first walk, forward, follows gradients from learned params; a second, from the last layer to the first, keeps only
    what lies under a loss. With `force` every bottom that may have a gradient gets it, whatever `propagate_down` says.
    """
    if gradients == "none":
        return replace(net, nodes=tuple(replace(n, propagate=(False,) * len(n.bottoms)) for n in net.nodes))
    any_top = gradients == "any"
    wanted: dict[int, bool] = {}
    propagate: dict[int, tuple[bool, ...]] = {}
    for node in net.nodes:
        asked = node.layer.propagate_down or ()
        flags = [
            wanted.get(bottom, False) and asked[slot : slot + 1] != (False,) for slot, bottom in enumerate(node.bottoms)
        ]
        learns = any(net.params[p].learned and net.params[p].lr_mult for p in node.params)
        wanted |= dict.fromkeys(node.tops, learns or any(flags))
        able, closed = force and node.layer.differentiable, node.layer.without_diff(len(node.bottoms))
        propagate[node.index] = tuple(flag or (able and slot not in closed) for slot, flag in enumerate(flags))
    under: dict[int, bool] = {blob.index: bool(blob.loss_weight) for blob in net.blobs}
    nodes = list(net.nodes)
    for node in reversed(net.nodes):
        learns = any(net.params[p].learned for p in node.params)
        runs = (any(under[top] for top in node.tops) or force or any_top) and (learns or any(propagate[node.index]))
        runs = runs and (node.layer.differentiable or any(under[top] for top in node.tops))
        flags = list(propagate[node.index]) if runs else [False] * len(node.bottoms)
        for slot in node.layer.without_diff(len(node.bottoms)):
            if slot in node.layer.shape_only and slot < len(flags):
                flags[slot] = False
            elif runs and slot < len(flags) and flags[slot]:
                label = net.blobs[node.bottoms[slot]].label
                text = f"layer '{node.layer.name}' ({node.layer.type}) cannot pass a gradient to its bottom '{label}'"
                help = "labels must not depend on learned params; set propagate_down"
                found.add(NoGradientError(text, at=node.layer.place("bottom", slot), help=help))
                flags[slot] = False  # what lies below is no further mistake
        if runs and not node.layer.differentiable:
            text = f"layer '{node.layer.name}' ({node.layer.type}) has no gradient"
            own = any(net.blobs[top].loss_weight for top in node.tops)
            help = "set its loss_weight to 0" if own else "say `propagate_down: false` at the layer that reads it"
            found.add(NoGradientError(text, at=node.layer.place(), help=help))
        for slot, bottom in enumerate(node.bottoms):
            under[bottom] = under[bottom] or flags[slot]
        nodes[node.index] = replace(node, propagate=tuple(flags), backward=runs)
    needs = {b for node in nodes for slot, b in enumerate(node.bottoms) if node.propagate[slot]}
    needs |= {top for node in nodes if node.backward for top in node.tops}
    blobs = tuple(replace(blob, needs_diff=blob.index in needs) for blob in net.blobs)
    return replace(net, nodes=tuple(nodes), blobs=blobs)
