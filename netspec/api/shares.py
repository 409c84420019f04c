"""Parts of a blob's gradient in a program: what each of its readers gives to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.engine.program import Program
from netspec.net.graph import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array


def totals(program: Program, node: Node) -> Iterator[Array]:
    """The diffs in the program that the layer adds to, since another reader runs before it."""
    for slot, bottom in enumerate(node.bottoms):
        flow, diff = program.flows.get(program.plan.storage[bottom]), program.diff[bottom]
        wanted = flow is not None and node.propagate[slot] and flow.writers[0] != (node.index, slot)
        if wanted and diff is not None:
            yield diff


def shares(program: Program, node: Node) -> list[Array | None]:
    """What the layer gave to each of its bottoms; where it reads a blob twice, each time its own part."""
    found: list[Array | None] = []
    for slot, bottom in enumerate(node.bottoms):
        diff = program.diff[bottom] if node.propagate[slot] else None
        same = [other for other, one in enumerate(node.bottoms) if one == bottom and node.propagate[other]]
        if diff is not None and len(same) > 1:
            own = share(program, node, slot)
            others = [share(program, node, other) for other in same if other != slot]
            diff = own if own is not None else diff - sum(one for one in others if one is not None)
        found.append(diff)
    return found


def share(program: Program, node: Node, slot: int) -> Array | None:
    """The memory into which a layer writes one of several gradients of a blob."""
    bottom = node.bottoms[slot]
    piece = program.plan.pieces.get(("share", node.index, slot))
    diff = program.diff[bottom]
    if piece is None or diff is None:
        return None
    flat = program.arena[piece.offset : piece.offset + diff.nbytes].view(piece.kind)
    if program.graph.blobs[bottom].layout == "NHWC" and diff.ndim == 4:
        n, c, h, w = diff.shape
        return flat.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return flat.reshape(diff.shape)
