"""Levels: every block of a net laid out alone, its inner blocks folded, for a page that opens and closes them.

A page puts the levels of open blocks into one another. It keeps ranks, orders and lines of each, and moves apart what
an open block needs room between (`templates/net.js`), so that no layout has to be computed there.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace

from netspec.drawing.boxes import Block, Chart, block_of, chart
from netspec.drawing.figures import Box, Point, Tag
from netspec.drawing.nested import Laid, Layouts
from netspec.drawing.scene import layouts_of
from netspec.drawing.tree import Group, Hop, Port, Routes, routes, tree
from netspec.net.shaped import ShapedGraph


@dataclass(frozen=True)
class Piece:
    """A child of a level: a box with its tags, all from its own upper left corner, or a block that is always open.

    `x`, `y` is the corner in the level, `width` and `height` include the tags; `rank` is its row. `block` is the path
    of the block that opens there, else empty.
    """

    x: float
    y: float
    width: float
    height: float
    rank: int
    block: Block
    box: Box | None
    tags: tuple[Tag, ...]


@dataclass(frozen=True)
class Line:
    """A blob from a piece to another by their numbers; None is the way into the block, or out of it."""

    source: int | None
    target: int | None
    blob: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Level:
    """A block laid out with its inner blocks folded; the whole net has an empty path.

    `rows` are the upper and lower y of each rank. `ins` and `outs` are the x at which blobs come in and leave.
    """

    path: Block
    title: str
    width: float
    height: float
    rows: tuple[tuple[float, float], ...]
    pieces: tuple[Piece, ...]
    lines: tuple[Line, ...]
    ins: Mapping[str, float]
    outs: Mapping[str, float]


def levels(shaped: ShapedGraph) -> dict[Block, Level]:
    """The levels of a net: of the whole, and of each block that is a box there or in another level."""
    found: dict[Block, Level] = {}
    deepest = max((len(block_of(node.layer.name)) for node in shaped.graph.nodes), default=0)
    for depth in range(deepest + 1):
        for level in _levels(shaped, depth):
            found.setdefault(level.path, level)
    wanted = dict.fromkeys(piece.block for level in found.values() for piece in level.pieces if piece.block)
    for path in [path for path in wanted if path not in found]:
        inner = min((other for other in found if other[: len(path)] == path), key=len, default=None)
        if inner is not None:  # a block that holds a block and nothing else: both open at once
            found[path] = replace(found[inner], path=path)
    return {path: _openable(found[path], found) for path in found if path in wanted or not path}


def _openable(level: Level, found: Container[Block]) -> Level:
    """The level, where boxes of blocks that make a circle of wires with others, once open, are no blocks."""
    pieces = (piece if piece.block in found else replace(piece, block=()) for piece in level.pieces)
    return replace(level, pieces=tuple(pieces))


def _levels(shaped: ShapedGraph, depth: int) -> Iterator[Level]:
    """The levels of the blocks of a depth, and of those in them that cannot be folded."""
    made = chart(shaped, depth + 1)
    root = tree(made)
    layouts, ways = layouts_of(made, root), routes(root, made.wires)
    layouts.laid(root, ways)
    for group, base in _groups(root, ()):
        if len(group.path or ()) >= depth:
            yield _level(made, group, layouts.laid(group, ways, base), layouts, ways)


def _groups(group: Group, base: Block) -> Iterator[tuple[Group, Block]]:
    """A group and all groups in it, each with the path of the frame around it."""
    yield group, base
    within = group.path if group.path is not None else base
    for child in group.children:
        if isinstance(child, Group):
            yield from _groups(child, within)


def _level(made: Chart, group: Group, laid: Laid, layouts: Layouts, ways: Routes) -> Level:
    blobs = {wire.key: wire.blob for wire in made.wires}
    number = {child: n for n, child in enumerate(group.children)}

    def end(of: int | Group | Port) -> int | None:
        return None if isinstance(of, Port) else number[of]

    def line(hop: Hop) -> Line:
        return Line(end(hop.source), end(hop.target), blobs[hop.key], laid.points[hop])

    pieces = []
    for child, (x, y) in laid.corners.items():
        if isinstance(child, Group):
            inner = layouts.laid(child, ways, group.path or ())
            pieces.append(Piece(x, y, inner.width, inner.height, laid.ranks[child], child.path or (), None, ()))
        else:
            size, folded = layouts.boxes[child], made.items[child].folded
            pieces.append(Piece(x, y, size.width, size.height, laid.ranks[child], folded, size.box, size.tags))
    return Level(
        group.path or (),
        laid.title,
        laid.width,
        laid.height,
        laid.rows,
        tuple(pieces),
        tuple(line(hop) for hop in ways.hops.get(group, ())),
        {blobs[key]: x for key, x in laid.ins.items()},
        {blobs[key]: x for key, x in laid.outs.items()},
    )
