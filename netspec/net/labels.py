"""Finds the inputs that hold labels, and the number of classes of the layers that read them."""

from __future__ import annotations

from netspec.net.shaped import ShapedGraph


def label_ranges(shaped: ShapedGraph) -> dict[int, tuple[int, int | None]]:
    """For every input that holds labels: (fewest classes of a layer that reads it, label that this layer ignores)."""
    result: dict[int, tuple[int, int | None]] = {}
    for node in shaped.graph.nodes:
        for slot, limit in node.layer.classes(shaped.bottom_shapes(node)).items():
            blob = shaped.graph.original(node.bottoms[slot])
            if blob in shaped.graph.inputs and (blob not in result or limit[0] < result[blob][0]):
                result[blob] = limit
    return result
