"""Which blobs of a net describe a whole batch."""

from __future__ import annotations

from netspec.net.shaped import ShapedGraph

MOST_SCORES = 100
"""Maximum length of a vector score, whose values are shown one by one, and of each axis of a matrix."""


def scores(shaped: ShapedGraph) -> frozenset[int]:
    """The blobs that describe a whole batch: scalars and short vectors whose length does not depend on the batch.

    Matrices too, where a layer says how they come about over several batches.
    """
    chosen = set()
    for blob, (shape, axis) in enumerate(zip(shaped.blobs, shaped.batch_axes, strict=True)):
        if axis is None and len(shape) <= 2 and all(length <= MOST_SCORES for length in shape):
            node = shaped.graph.nodes[shaped.graph.blobs[blob].producer]
            if len(shape) < 2 or node.layer.metric(shaped.bottom_shapes(node)) is not None:
                chosen.add(blob)
    return frozenset(chosen)


def scalars(shaped: ShapedGraph) -> list[int]:
    """The blobs that no layer reads and that are a single number of a whole batch, in the order of the net."""
    chosen = scores(shaped)
    return [blob for blob in sorted(shaped.graph.outputs) if blob in chosen and not shaped.blobs[blob]]
