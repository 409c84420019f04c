"""Which params can learn: zeros, and channels that are equal, followed through a graph.

Both analyses claim only what is sure. They begin with everything that holds at the first iteration, drop what a
gradient would end, and repeat until nothing more is dropped: what is left holds forever. A layer of which nothing is
known (`Passing()`) ends every claim.
"""

from __future__ import annotations

from collections.abc import Sequence

from netspec.net.graph import Graph, Node

Levels = Sequence[float | None]
"""For each param the one value that it begins with; None where its values differ."""


def unmoved(graph: Graph, levels: Levels) -> frozenset[int]:
    """The learned params whose gradient is 0 forever, when params begin at `levels`.

    If all levels are None, these are the params that no loss reaches.
    """
    moving: set[int] = set()
    while True:
        still = frozenset(p for p, level in enumerate(levels) if level == 0 and p not in moving)
        zero = _zero_blobs(graph, still)
        live = _live_diffs(graph, still, zero)
        more = {p for node in graph.nodes if live.intersection(node.tops) for p in _pushed(node, zero)}
        more = {p for p in more if graph.params[p].learned}
        if more <= moving:
            return frozenset(p.index for p in graph.params if p.learned and p.index not in moving)
        moving |= more


def _zero_blobs(graph: Graph, still: frozenset[int]) -> frozenset[int]:
    """The blobs of zeros, where the params `still` are 0."""
    zero: set[int] = set()
    for node in graph.nodes:
        passing, bottoms = node.layer.passing, [b in zero for b in node.bottoms]
        gone = _blocked(node, still)
        gone = gone or (passing.zeros == "all" and bool(bottoms) and all(bottoms))
        gone = gone or (passing.zeros == "any" and any(bottoms))
        if gone and all(param in still for slot, param in enumerate(node.params) if slot in passing.added):
            zero.update(node.tops)
    return frozenset(zero)


def _blocked(node: Node, still: frozenset[int]) -> bool:
    """Whether the param that the bottom is multiplied with is 0."""
    factor = node.layer.passing.factor
    return factor is not None and node.params[factor] in still


def _live_diffs(graph: Graph, still: frozenset[int], zero: frozenset[int]) -> set[int]:
    """The blobs whose gradient need not be 0."""
    live = set(graph.losses)
    for node in reversed(graph.nodes):
        if _blocked(node, still) or not live.intersection(node.tops):
            continue
        passing = node.layer.passing
        for slot, bottom in enumerate(node.bottoms):
            others = (b for i, b in enumerate(node.bottoms) if i != slot)
            stopped = (passing.stops and bottom in zero) or (passing.zeros == "any" and any(b in zero for b in others))
            if node.propagate[slot] and not stopped:
                live.add(bottom)
    return live


def _pushed(node: Node, zero: frozenset[int]) -> list[int]:
    """The params of a layer whose gradient need not be 0 where that of a top is not."""
    fed = any(b not in zero for b in node.bottoms) or not node.bottoms
    return [param for slot, param in enumerate(node.params) if fed or slot in node.layer.passing.added]


def twins(graph: Graph, levels: Levels) -> tuple[Node, ...]:
    """The layers that learn a factor and whose channels are equal forever, when params begin at `levels`."""
    if all(levels[node.params[0]] is None for node in graph.nodes if node.layer.passing.channels == "mixed"):
        return ()
    equal = _Equal(graph, levels)
    while equal.dropped():
        pass
    return tuple(
        node
        for node in graph.nodes
        if node.layer.passing.channels == "mixed"
        and graph.params[node.params[0]].learned
        and equal.channels(node.tops)
        and equal.live.intersection(node.tops)
    )


class _Equal:
    """What is equal in all channels: blobs, their gradients, and params along the channels of the top and the bottom.

    A "mixed" layer's factor is its param 0, with a row for each channel of the top.
    """

    def __init__(self, graph: Graph, levels: Levels) -> None:
        self.graph = graph
        self.live = _live_diffs(graph, frozenset(), frozenset())
        self.rows = {p for p, level in enumerate(levels) if level is not None}
        self.columns = set(self.rows)
        self.blobs: set[int] = set()
        self.diffs: set[int] = set()

    def channels(self, blobs: Sequence[int]) -> bool:
        """Whether the channels of each of the blobs are equal."""
        return self.blobs.issuperset(blobs)

    def dropped(self) -> bool:
        """Follow what is equal, and drop of the params what their gradients would end; whether there was any."""
        self._forward()
        self._backward()
        before = len(self.rows) + len(self.columns)
        for node in self.graph.nodes:
            tops, bottoms = self.diffs.issuperset(node.tops), self.channels(node.bottoms)
            kind = node.layer.passing.channels
            for slot, param in enumerate(node.params):
                if not self.graph.params[param].learned:
                    continue
                if kind is None or not tops or (kind == "alike" and not bottoms):
                    self.rows.discard(param)
                if kind != "mixed" or (slot == 0 and not bottoms):
                    self.columns.discard(param)
        return len(self.rows) + len(self.columns) < before

    def _forward(self) -> None:
        self.blobs = set()
        for node in self.graph.nodes:
            kind, params = node.layer.passing.channels, self.rows.issuperset(node.params)
            if params and (kind == "mixed" or (kind == "alike" and self.channels(node.bottoms))):
                self.blobs.update(node.tops)

    def _backward(self) -> None:
        unequal = set(self.graph.losses)
        for node in reversed(self.graph.nodes):
            kind = node.layer.passing.channels
            if kind == "mixed":
                same = node.params[0] in self.columns
            else:
                known = kind == "alike" and self.channels(node.bottoms) and self.rows.issuperset(node.params)
                same = known and not unequal.intersection(node.tops)
            passed = [b for b, flows in zip(node.bottoms, node.propagate, strict=True) if flows]
            if not same and self.live.intersection(node.tops):
                unequal.update(passed)
        self.diffs = {blob.index for blob in self.graph.blobs} - unequal
