"""ShapedGraph to ShapedGraph: named rewrites, each listable, each can be switched off.

A rewrite may change how blobs lie in memory or which steps run, never what is computed. `layout` gives each blob the first layout
that both its producer and all its readers take; blobs on which they disagree stay in N, C, H, W order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from netspec.graph import Blob
from netspec.infer import ShapedGraph

PLAIN = "NCHW"


def layout(shaped: ShapedGraph) -> ShapedGraph:
    """Choose each blob's memory layout from what the layers around it declare."""
    graph = shaped.graph

    def choose(blob: Blob) -> Blob:
        around = [graph.nodes[blob.producer], *(graph.nodes[node] for node, _ in graph.readers(blob.index))]
        wanted = next((word for word in around[0].layer.layouts if all(word in node.layer.layouts for node in around)), PLAIN)
        return blob if wanted == blob.layout else replace(blob, layout=wanted)

    return replace(shaped, graph=replace(graph, blobs=tuple(choose(blob) for blob in graph.blobs)))


REWRITES: dict[str, Callable[[ShapedGraph], ShapedGraph]] = {"layout": layout}


def rewrite(shaped: ShapedGraph, without: Collection[str] = ()) -> ShapedGraph:
    """All rewrites in order, but for those named in `without`."""
    for name, one in REWRITES.items():
        if name not in without:
            shaped = one(shaped)
    return shaped
