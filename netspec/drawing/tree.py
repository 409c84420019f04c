"""The tree of a chart: open blocks inside one another, the columns that a long one is cut into, and the wires there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from netspec.drawing.acyclic import in_order
from netspec.drawing.boxes import Block, Chart, Key, Wire


@dataclass(frozen=True, eq=False)
class Group:
    """Items and groups that are laid out together: the whole net, an open block, or a column.

    `path` is the block whose frame is drawn around it, None without a frame. `columns`: its children are columns.
    """

    path: Block | None
    children: tuple[Child, ...]
    columns: bool = False


Child = int | Group
"""An item by its number, or a group."""


@dataclass(frozen=True)
class Port:
    """A child of a level beside its items: where a blob comes into the group, or leaves it."""

    key: Key
    leaves: bool


End = Child | Port


@dataclass(frozen=True)
class Hop:
    """A part of a wire inside one group: from a child or the blob's way in to a child or the blob's way out."""

    group: Group
    source: End
    target: End
    key: Key


def tree(chart: Chart) -> Group:
    """The open blocks of a chart. A block of a single box has no frame, and none would make a circle of wires."""
    pairs = [(wire.source, wire.target) for wire in chart.wires if wire.target is not None]
    return Group(None, _children(chart, tuple(range(len(chart.items))), 0, pairs))


def _children(chart: Chart, items: Sequence[int], level: int, pairs: list[tuple[int, int]]) -> tuple[Child, ...]:
    """The items as children of one group, those of a block together; `level` is the depth of the group's block."""
    here = set(items)
    pairs = [pair for pair in pairs if pair[0] in here and pair[1] in here]
    home = {item: item for item in items}
    groups: dict[int, Block] = {}
    tried = _blocks(chart, items, level)
    for path in tried:
        inside = [item for item in items if chart.items[item].block[: len(path)] == path]
        joined = home | dict.fromkeys(inside, inside[0])
        if len(inside) > 1 and not _circle(joined, pairs):
            home, groups[inside[0]] = joined, path
        else:
            tried += _blocks(chart, inside, len(path))
    children: list[Child] = []
    for item in dict.fromkeys(home.values()):
        if item not in groups:
            children.append(item)
            continue
        inside = [other for other in items if home[other] == item]
        inner = _children(chart, inside, len(groups[item]), pairs)
        lone = len(inner) == 1 and isinstance(inner[0], Group)
        children.append(inner[0] if lone else Group(groups[item], inner))
    return tuple(children)


def _blocks(chart: Chart, items: Sequence[int], level: int) -> list[Block]:
    """The paths of the blocks of some items that are one level deeper, in the order of the items."""
    paths = (chart.items[item].block for item in items)
    return list(dict.fromkeys(path[: level + 1] for path in paths if len(path) > level))


def _circle(home: dict[int, int], pairs: list[tuple[int, int]]) -> bool:
    """Whether wires between groups form a circle."""
    after: dict[int, set[int]] = {group: set() for group in home.values()}
    for source, target in pairs:
        if home[source] != home[target]:
            after[home[source]].add(home[target])
    return len(in_order(after)) < len(after)


Way = tuple[tuple[Group, Child], ...]
"""The groups that an item stands in, outermost first, each with its child on the way to the item."""


@dataclass
class Routes:
    """The hops of every wire through a tree, and those of each group, without twins, in the order of bottoms."""

    wires: dict[Wire, tuple[Hop, ...]] = field(default_factory=dict)
    hops: dict[Group, list[Hop]] = field(default_factory=dict)


def routes(root: Group, wires: Sequence[Wire]) -> Routes:
    """All hops of the wires of a chart."""
    above = dict(_ways(root, ()))
    found = Routes()
    known: set[tuple[Group, End, End, Key]] = set()
    for wire in sorted(wires, key=lambda wire: (wire.target or 0, wire.slot)):
        if wire.target is None:
            continue
        hops = tuple(_hops(wire.key, above[wire.source], above[wire.target]))
        found.wires[wire] = hops
        for hop in hops:
            name = (hop.group, hop.source, hop.target, hop.key)
            if name not in known:
                known.add(name)
                found.hops.setdefault(hop.group, []).append(hop)
    return found


def _ways(group: Group, way: Way) -> Iterator[tuple[int, Way]]:
    """For each item below a group, the groups that it stands in, outermost first, each with its child on the way."""
    for child in group.children:
        here = (*way, (group, child))
        if isinstance(child, Group):
            yield from _ways(child, here)
        else:
            yield child, here


def _hops(key: Key, source: Way, target: Way) -> Iterator[Hop]:
    """The way from an item up to the group that both ends stand in, across it, and down to the other item."""
    common = next(n for n, (a, b) in enumerate(zip(source, target, strict=False)) if a[1] is not b[1])
    for group, child in reversed(source[common + 1 :]):
        yield from _across(group, child, Port(key, leaves=True), key)
    yield from _across(source[common][0], source[common][1], target[common][1], key)
    for group, child in target[common + 1 :]:
        yield from _across(group, Port(key, leaves=False), child, key)


def _across(group: Group, source: End, target: End, key: Key) -> Iterator[Hop]:
    """The way inside a group; through columns it leads from each to the next."""
    if not group.columns:
        yield Hop(group, source, target, key)
        return
    start = -1 if isinstance(source, Port) else group.children.index(source)
    end = len(group.children) if isinstance(target, Port) else group.children.index(target)
    way: list[End] = [source, *group.children[start + 1 : end], target]
    for here, there in pairwise(way):
        yield Hop(group, here, there, key)
        if there is not target:
            assert isinstance(there, Group)
            yield Hop(there, Port(key, leaves=False), Port(key, leaves=True), key)
