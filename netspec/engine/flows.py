"""Who writes the gradient of each blob, in which order."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.net.graph import Graph


@dataclass(frozen=True)
class Flow:
    """The layers that write the gradient of one blob's memory, in the order they run, as (layer, bottom slot).

    The first writer overwrites the diff. A later writer adds to the diff if it is in `adding`; otherwise it writes a
    piece of its own, which is then added. `seed` is the sum of the loss weights of the blobs in this memory.
    """

    storage: int
    producer: int
    writers: tuple[tuple[int, int], ...]
    adding: frozenset[tuple[int, int]]
    seed: float


def flows(graph: Graph) -> dict[int, Flow]:
    """The gradient flow of every storage that needs a diff; what lies inside a wider blob belongs to the wider flow."""
    owner = graph.storage
    own = {blob.index for blob in graph.blobs if blob.inside is None}
    wanted = dict.fromkeys(owner[blob.index] for blob in graph.blobs if blob.needs_diff and owner[blob.index] in own)
    writers: dict[int, list[tuple[int, int]]] = {storage: [] for storage in wanted}
    seeds = dict.fromkeys(wanted, 0.0)
    for node in reversed(graph.nodes):
        if node.backward and graph.runs(node):
            for slot, bottom in enumerate(node.bottoms):
                # else its diff lies in the top's
                ours = not (graph.placed(node, slot) or (node.in_place and slot == 0))
                if node.propagate[slot] and ours:
                    writers[graph.house(bottom)].append((node.index, slot))
    for blob in graph.blobs:
        if owner[blob.index] in wanted:
            seeds[owner[blob.index]] += blob.loss_weight

    def flow(storage: int) -> Flow:
        mine = writers[storage]
        once = {slot for slot in mine[1:] if [node for node, _ in mine].count(slot[0]) == 1}
        adding = frozenset(slot for slot in once if graph.nodes[slot[0]].adds)
        return Flow(storage, graph.blobs[storage].producer, tuple(mine), adding, seeds[storage])

    return {storage: flow(storage) for storage in wanted}
