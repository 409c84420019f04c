"""Nested: every group of a tree laid out alone and put into its parent as one piece, so that frames never overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from netspec.core.visible import visible
from netspec.drawing.boxes import Block, Key
from netspec.drawing.figures import Point
from netspec.drawing.level import Piece, Run, lay_out
from netspec.drawing.sizes import TITLE_FONT, Measured
from netspec.drawing.tree import Child, Group, Hop, Port, Routes
from netspec.drawing.widths import cut, width

_TITLE = 18.0
"""Height of the band at the head of a frame in which its title stands."""
_SIDE, _FOOT = 9.0, 8.0
_GUTTER, _TURN = 26.0, 14.0
"""Space between columns, and above and below them, where a blob leads from one to the next."""
_LONGEST_TITLE = 200.0


@dataclass(frozen=True)
class Laid:
    """A group laid out: its size, the corner of each child, the points of each hop, where blobs come in and leave.

    `title_x` is where the title of its frame begins. `ranks` holds the rank of each child, and `rows` the upper and
    lower y of each rank; columns have none.
    """

    width: float
    height: float
    corners: Mapping[Child, Point]
    points: Mapping[Hop, tuple[Point, ...]]
    ins: Mapping[Key, float]
    outs: Mapping[Key, float]
    title: str = ""
    title_x: float = 0.0
    ranks: Mapping[Child, int] = field(default_factory=dict)
    rows: tuple[tuple[float, float], ...] = ()


class Layouts:
    """The layouts of groups, each made once. `boxes` are the sizes of the chart's items; for the sets see Piece."""

    def __init__(self, boxes: Sequence[Measured], light: frozenset[int], round: frozenset[int]) -> None:
        self.boxes, self.light, self.round = boxes, light, round
        self._known: dict[tuple[Group, tuple[Hop, ...]], Laid] = {}
        self._groups: dict[tuple[Block | None, tuple[Child, ...], bool], Group] = {}

    def group(self, path: Block | None, children: tuple[Child, ...], columns: bool = False) -> Group:
        """A group of some children: that which was made of them before, so that its layout is known."""
        return self._groups.setdefault((path, children, columns), Group(path, children, columns))

    def laid(self, group: Group, routes: Routes, base: Block = ()) -> Laid:
        """The layout of a group and of all groups in it; `base` is the block whose frame is around it."""
        hops = tuple(routes.hops.get(group, ()))
        found = self._known.get((group, hops))
        if found is None:
            within = group.path if group.path is not None else base
            inner = {child: self.laid(child, routes, within) for child in group.children if isinstance(child, Group)}
            found = _columns(group, hops, inner) if group.columns else self._level(group, hops, inner)
            if group.path is not None:
                found = _framed(found, "/".join(group.path[len(base) :]))
            self._known[group, hops] = found
        return found

    def _level(self, group: Group, hops: Sequence[Hop], inner: Mapping[Group, Laid]) -> Laid:
        ports = dict.fromkeys(end for hop in hops for end in (hop.source, hop.target) if isinstance(end, Port))
        ends = [*group.children, *ports]
        number = {end: n for n, end in enumerate(ends)}
        pieces = [
            self._piece(child) if isinstance(child, int) else _group_piece(inner[child]) for child in group.children
        ]
        pieces += [Piece(2, 0, {port.key: 0.0}, role="out" if port.leaves else "in") for port in ports]
        runs = {hop: Run(number[hop.source], number[hop.target], hop.key) for hop in hops}
        placed = lay_out(pieces, list(runs.values()))
        middles = dict(zip(ends, placed.middles, strict=True))
        corners = {
            child: (placed.middles[n] - pieces[n].width / 2, placed.tops[n]) for n, child in enumerate(group.children)
        }
        return Laid(
            placed.width,
            placed.height,
            corners,
            {hop: placed.points[run] for hop, run in runs.items()},
            {port.key: middles[port] for port in ports if not port.leaves},
            {port.key: middles[port] for port in ports if port.leaves},
            ranks=dict(zip(group.children, placed.ranks, strict=False)),
            rows=placed.rows,
        )

    def _piece(self, item: int) -> Piece:
        size = self.boxes[item]
        outs = {(item, port): x - size.width / 2 for port, x in size.outs.items()}
        foot = size.height - size.box.height
        return Piece(size.width, size.box.height, outs, foot=foot, light=item in self.light, round=item in self.round)


def _group_piece(laid: Laid) -> Piece:
    ins, outs = ({key: x - laid.width / 2 for key, x in ways.items()} for ways in (laid.ins, laid.outs))
    return Piece(laid.width, laid.height, outs, ins)


def _columns(group: Group, hops: Sequence[Hop], inner: Mapping[Group, Laid]) -> Laid:
    """Columns side by side. A blob leads from the foot of one, up between both, to the head of the next."""
    corners: dict[Child, Point] = {}
    x = 0.0
    for child, laid in inner.items():
        corners[child] = (x, _TURN)
        x += laid.width + _GUTTER
    height = 2 * _TURN + max(laid.height for laid in inner.values())
    points: dict[Hop, tuple[Point, ...]] = {}
    ins: dict[Key, float] = {}
    outs: dict[Key, float] = {}
    for hop in hops:
        if isinstance(hop.source, Port):
            assert isinstance(hop.target, Group)
            ins[hop.key] = corners[hop.target][0] + inner[hop.target].ins[hop.key]
            points[hop] = ((ins[hop.key], 0), (ins[hop.key], _TURN))
            continue
        assert isinstance(hop.source, Group)
        left, foot = corners[hop.source][0], _TURN + inner[hop.source].height
        start = left + inner[hop.source].outs[hop.key]
        if isinstance(hop.target, Port):
            outs[hop.key] = start
            points[hop] = ((start, foot), (start, height))
            continue
        assert isinstance(hop.target, Group)
        end = corners[hop.target][0] + inner[hop.target].ins[hop.key]
        across = corners[hop.target][0] - _GUTTER / 2
        low = foot + _TURN / 2
        points[hop] = (
            (start, foot), (start, low), (across, low), (across, _TURN / 2), (end, _TURN / 2), (end, _TURN)
        )  # fmt: skip
    return Laid(x - _GUTTER, height, corners, points, ins, outs)


def _framed(laid: Laid, title: str) -> Laid:
    """The layout with space for a frame around it, and a title beside the blobs that come in."""
    title = cut(visible(title), TITLE_FONT, _LONGEST_TITLE, True)
    needed = width(title, TITLE_FONT, True) + 10
    first, last = min(laid.ins.values(), default=laid.width), max(laid.ins.values(), default=laid.width)
    left, wide = _SIDE, laid.width + 2 * _SIDE
    if needed <= first + left:
        title_x = 6.0
    elif laid.ins and needed <= wide - last - left - 6:
        title_x = last + left + 6
    else:
        left, title_x = max(left, needed - first), 6.0
        wide = laid.width + left + _SIDE
    points = {hop: tuple((x + left, y + _TITLE) for x, y in way) for hop, way in laid.points.items()}
    return replace(
        laid,
        width=wide,
        height=laid.height + _TITLE + _FOOT,
        corners={child: (x + left, y + _TITLE) for child, (x, y) in laid.corners.items()},
        points=points,
        ins={key: x + left for key, x in laid.ins.items()},
        outs={key: x + left for key, x in laid.outs.items()},
        title=title,
        title_x=title_x,
        rows=tuple((top + _TITLE, low + _TITLE) for top, low in laid.rows),
    )
