"""A net as course slides draw it: blobs as solids of their size from left to right, vectors as bars.

A solid is as high and as deep as the blob, and as thick as its number of channels; all three by their square roots, so
that 7x7 is still seen beside 224x224. Bands at its right end are the layers in strips of its box. On the blob that a
window reads, the window is drawn with lines to what it makes. Labels are left out. Long nets stand in rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from netspec.core.outputs import DRAWN
from netspec.core.shape import Shape
from netspec.core.visible import visible
from netspec.drawing.boxes import Chart, Item, chart
from netspec.drawing.colours import HUES, PAINTS, Plain, Theme, outline
from netspec.drawing.figures import Point
from netspec.drawing.level import Piece, Placed, Run, lay_out
from netspec.drawing.scene import subtitle, title
from netspec.drawing.sizes import FONTS, HEAD_FONT
from netspec.drawing.svg import styles
from netspec.drawing.widths import cut, width
from netspec.net.shaped import ShapedGraph

_HIGH, _THICK, _DEEP = 130.0, 70.0, 62.0
"""Pixels of the largest solid: its height, its thickness, and how far its depth goes to the right."""
_RISE = 0.55
"""How far its depth goes up, for each pixel to the right."""
_BAR, _BAR_HIGH = 13.0, 150.0
_BAND = 4.0
_LINE, _LONGEST = 14.0, 118.0
_MARGIN, _HEAD, _ROW_GAP = 18.0, 56.0, 26.0
_WIDEST = 1150.0
"""Width of a row from which on a net stands in several."""
MANY = 30
"""Boxes from which on blocks are drawn as one solid where nobody says how deep to draw."""


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, its size in pixels, and how deep it was drawn."""

    svg: str
    width: float
    height: float
    depth: int | None


@dataclass(frozen=True)
class _Solid:
    """How a box of the chart is drawn: its thickness, height and depth in pixels, and the lines of text below it.

    The middle of its front is in the middle of the height that it takes.
    """

    item: Item
    thick: float
    high: float
    deep: float
    lines: tuple[str, ...]
    plane: Shape
    window: Shape

    @property
    def rise(self) -> float:
        return self.deep * _RISE

    @property
    def length(self) -> float:
        """From left to right, with its text."""
        texts = (width(line, 11, number == 0) for number, line in enumerate(self.lines))
        return max(self.thick + self.deep, *texts) + 6 if self.lines else self.thick + self.deep

    @property
    def below(self) -> float:
        """From the middle of its front down to the end of its text."""
        return self.high / 2 + _LINE * len(self.lines) + 4

    @property
    def above(self) -> float:
        """From the middle of its front up to its upper edge."""
        return self.high / 2 + self.rise


def lecture(shaped: ShapedGraph, depth: int | None = None, theme: Theme = "auto") -> Picture:
    """The drawing of a net; blocks deeper than `depth` levels of names are one solid each."""
    made = _unlabelled(chart(shaped, depth))
    if depth is None and len(made.items) > MANY:
        depth, made = 1, _unlabelled(chart(shaped, 1))
    return _Lecture(shaped, made).picture(depth, theme)


def _unlabelled(made: Chart) -> Chart:
    """A chart without its labels."""
    numbers = {number: new for new, number in enumerate(n for n, item in enumerate(made.items) if item.kind != "label")}
    wires = (
        replace(wire, source=numbers[wire.source], target=None if wire.target is None else numbers[wire.target])
        for wire in made.wires
        if wire.source in numbers
    )
    return Chart(tuple(made.items[number] for number in numbers), tuple(wires))


class _Lecture:
    """The work on one drawing. Ranks go from left to right: x and y of a level change places."""

    def __init__(self, shaped: ShapedGraph, made: Chart) -> None:
        self.shaped, self.chart = shaped, made
        self.shapes = self._shapes()
        planes = [shape[-2:] for shape in self.shapes if len(shape) > 1]
        self.most = [max((shape[axis] for shape in planes), default=1) for axis in (0, 1)]
        self.channels = max((shape[0] for shape in self.shapes if len(shape) == 3), default=1)
        self.units = max((shape[0] for shape in self.shapes if len(shape) == 1), default=1)
        self.solids = [self._solid(item, shape) for item, shape in zip(made.items, self.shapes, strict=True)]
        pieces = [Piece(2 * max(solid.above, solid.below), solid.length, round=True) for solid in self.solids]
        self.runs = list(
            dict.fromkeys(Run(wire.source, wire.target, wire.key) for wire in made.wires if wire.target is not None)
        )
        self.placed: Placed = lay_out(pieces, self.runs)

    def _shapes(self) -> list[Shape]:
        """The shape of the first top of each item, without its batch axis; of an item without tops, nothing."""
        found: list[Shape] = [()] * len(self.chart.items)
        for wire in reversed(self.chart.wires):
            found[wire.source] = self.shaped.sample_shape(self.shaped.graph.named[wire.blob].index)
        return found

    def _solid(self, item: Item, shape: Shape) -> _Solid:
        name = cut(visible(item.name), 11, _LONGEST, True)
        if item.form == "circle":
            return _Solid(item, 22, 22, 0, (), (), ())
        size = _size(shape)
        lines = tuple(line for line in (name, *(cut(line, 11, _LONGEST) for line in item.lines[:1]), size) if line)
        if item.kind in ("loss", "score") or not shape:
            return _Solid(item, 30, 22, 0, lines, (), ())
        if len(shape) == 1:
            return _Solid(item, _BAR, 16 + _BAR_HIGH * (shape[0] / self.units) ** 0.5, 6, lines, (), ())
        high, wide = (max(0.05, (size / most) ** 0.5) for size, most in zip(shape[-2:], self.most, strict=True))
        channels = shape[0] if len(shape) > 2 else 1
        thick = 5 + _THICK * (channels / max(self.channels, 64)) ** 0.5 + _BAND * len(item.parts[1:])
        return _Solid(item, thick, _HIGH * high, _DEEP * wide, lines, shape[-2:], self._window(item))

    def _window(self, item: Item) -> Shape:
        """The height and width of the window of an item's first layer; empty without one."""
        if item.folded:
            return ()
        node = next(node for node in self.shaped.graph.nodes if node.layer.name == item.parts[0].name)
        kernel = node.layer.identity().get("window", {}).get("kernel", ())
        return (kernel * 2)[:2] if len(kernel) in (1, 2) else ()

    # --- places

    def picture(self, depth: int | None, theme: Theme) -> Picture:
        """The whole drawing."""
        rows = self._rows()
        wide = max(end - start for start, end, *_ in rows) + 2 * _MARGIN
        head, below = title(self.shaped), subtitle(self.shaped)
        wide = max(wide, width(head, HEAD_FONT, True) + 2 * _MARGIN, width(below, FONTS["text"][0]) + 2 * _MARGIN)
        self.row_at: list[tuple[float, float, float]] = []
        self.lows: list[float] = []
        y = _HEAD
        for start, end, top, bottom in rows:
            self.row_at.append((start, end, y - top))
            y += bottom - top + _ROW_GAP
            self.lows.append(y - _ROW_GAP)
        high = y - _ROW_GAP + _MARGIN
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ns-net" role="img" width="{wide:.1f}" '
            f'height="{high:.1f}" viewBox="0 0 {wide:.1f} {high:.1f}">',
            f"<title>{escape(head)}</title><!-- {DRAWN} --><style>{_styles(theme)}</style>",
            f'<rect class="ns-paper" width="{wide:.1f}" height="{high:.1f}"/>',
            f'<text class="ns-title" x="{_MARGIN}" y="26">{escape(head)}</text>',
            f'<text class="ns-soft" x="{_MARGIN}" y="42">{escape(below)}</text>',
            *(self._line(run, wide) for run in self.runs),
            *(part for number in range(len(self.solids)) for part in self._drawn(number)),
            *(part for run in self.runs for part in self._seen(run)),
            "</svg>",
        ]
        return Picture("\n".join(parts) + "\n", wide, high, depth)

    def _rows(self) -> list[tuple[float, float, float, float]]:
        """The rows that the drawing is cut into: the x where each begins and ends, and the y of its edges."""
        last = len(self.placed.rows)
        cuts = [0, *(rank for rank in range(1, last) if self._is_cut(rank)), last]
        rows: list[list[int]] = []
        for start, end in pairwise(cuts):
            if rows and self.placed.rows[end - 1][1] - self.placed.rows[rows[-1][0]][0] <= _WIDEST:
                rows[-1][1] = end
            else:
                rows.append([start, end])
        found = []
        for start, end in rows:
            inside = [n for n, rank in enumerate(self.placed.ranks) if start <= rank < end]
            lines = [
                y
                for run in self.runs
                for y, _ in self.placed.points[run]
                if start <= self.placed.ranks[run.source] < end
            ]
            top = min([self.placed.middles[n] - self.solids[n].above for n in inside] + [y - 8 for y in lines])
            bottom = max([self.placed.middles[n] + self.solids[n].below for n in inside] + [y + 8 for y in lines])
            found.append((self.placed.rows[start][0], self.placed.rows[end - 1][1], top, bottom))
        return found

    def _is_cut(self, rank: int) -> bool:
        """Whether the drawing may go on in another row with this rank: one blob comes from before, made right there."""
        ranks = self.placed.ranks
        crossing = [run for run in self.runs if ranks[run.source] < rank <= ranks[run.target]]
        return len({run.key for run in crossing}) <= 1 and all(ranks[run.source] == rank - 1 for run in crossing)

    def _at(self, x: float, y: float) -> Point:
        """The place of a point of the level in its row."""
        start, _, shift = next(
            (row for row in self.row_at if row[0] - 0.01 <= x <= row[1] + 0.01),
            min(self.row_at, key=lambda row: min(abs(x - row[0]), abs(x - row[1]))),
        )
        return x - start + _MARGIN, y + shift

    def _front(self, number: int) -> Point:
        """The left end of the middle of a solid's front."""
        solid = self.solids[number]
        x, y = self._at(self.placed.tops[number], self.placed.middles[number])
        return x + (solid.length - solid.thick - solid.deep) / 2, y

    # --- parts

    def _drawn(self, number: int) -> Iterator[str]:
        """A solid with its bands and its text."""
        solid = self.solids[number]
        x, y = self._front(number)
        item, half = solid.item, solid.high / 2
        yield f'<g class="ns-{item.kind}"><title>{escape(visible(item.name))}</title>'
        if item.form == "circle":
            yield f'<circle class="ns-box" cx="{x + 11:.1f}" cy="{y:.1f}" r="11"/>'
            yield f'<text class="ns-name" x="{x + 11:.1f}" y="{y + 4.5:.1f}">{escape(item.lines[0])}</text>'
        elif not solid.deep:
            yield f'<rect class="ns-box" x="{x:.1f}" y="{y - 11:.1f}" width="30" height="22" rx="11"/>'
        else:
            yield from self._faces(solid, x, y - half)
        middle = x + (solid.thick + solid.deep) / 2
        for line, text in enumerate(solid.lines):
            style = "ns-name ns-small" if line == 0 else "ns-figure" if text == solid.lines[-1] else "ns-text"
            yield f'<text class="{style}" x="{middle:.1f}" y="{y + half + 14 + _LINE * line:.1f}">{escape(text)}</text>'
        yield "</g>"

    def _faces(self, solid: _Solid, x: float, y: float) -> Iterator[str]:
        """The three faces of a solid that are seen, and the bands of the layers in strips."""
        thick, high, deep, rise = solid.thick, solid.high, solid.deep, solid.rise
        yield _face("ns-box", (x, y), (thick, 0), (0, high))
        yield _face("ns-box", (x, y), (thick, 0), (deep, -rise))
        bands = solid.item.parts[1:] if not solid.item.folded else ()
        for number, part in enumerate(bands):
            left = x + thick - _BAND * (len(bands) - number)
            for corner, one, other in (((left, y), (_BAND, 0), (0, high)), ((left, y), (_BAND, 0), (deep, -rise))):
                yield _face(f"ns-f-{part.kind}", corner, one, other)
        if bands:
            yield _face("ns-edge", (x, y), (thick, 0), (0, high))
            yield _face("ns-edge", (x, y), (thick, 0), (deep, -rise))
        yield _face("ns-box", (x + thick, y), (deep, -rise), (0, high))
        yield _face("ns-edge ns-side", (x + thick, y), (deep, -rise), (0, high))

    def _line(self, run: Run, wide: float) -> str:
        """The line of a blob, behind the solids; where the net goes on in the next row, down and back to its start."""
        source = self.solids[run.source]
        x, y = self._front(run.source)
        end = self._front(run.target)
        row, level = self._row(run.target), [(b, a) for a, b in self.placed.points[run]]
        way = f"M{x + source.thick:.1f} {y:.1f}"
        if self._row(run.source) != row:
            low = self.lows[self._row(run.source)] + _ROW_GAP / 2
            start = self.row_at[row][0]
            begin = 7.0, level[0][1] + self.row_at[row][2]
            way += f"H{min(wide - 6, x + source.length + 4):.1f}V{low:.1f}H7V{begin[1]:.1f}"
            points = [begin, *(self._at(*point) for point in level if point[0] >= start - 0.01), end]
        else:
            points = [(x + source.thick, y), *(self._at(*point) for point in level), end]
        for (x0, y0), (x1, y1) in pairwise(points):
            middle = (x0 + x1) / 2
            way += f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" if y0 != y1 else f"H{x1:.1f}"
        head = f"M{end[0]:.1f} {end[1]:.1f}l-6 -3.5v7z"
        return f'<path class="ns-line" d="{way}"/><path class="ns-head" d="{head}"/>'

    def _row(self, number: int) -> int:
        x = self.placed.tops[number]
        return next(n for n, (start, end, _) in enumerate(self.row_at) if start - 0.01 <= x <= end + 0.01)

    def _seen(self, run: Run) -> Iterator[str]:
        """The window of a solid on the blob that it reads, with lines to what it makes."""
        source, target = self.solids[run.source], self.solids[run.target]
        beside = self.placed.ranks[run.target] == self.placed.ranks[run.source] + 1
        if not source.plane or not target.window or not beside or self._row(run.source) != self._row(run.target):
            return
        down, aside = (min(1.0, k / size) for k, size in zip(target.window, source.plane, strict=True))
        if down == 1.0 and aside == 1.0:
            return
        x, y = self._front(run.source)
        left = x + source.thick + source.deep * (1 - aside) * 0.55
        top = y - source.high / 2 - source.rise * (1 - aside) * 0.55 + source.high * (1 - down) * 0.18
        wide, high = source.deep * aside, source.high * down
        end_x, end_y = self._front(run.target)
        point = f"{end_x:.1f} {end_y - target.high * 0.27:.1f}"
        yield _face("ns-window", (left, top), (wide, -wide * _RISE), (0, high))
        yield (
            f'<path class="ns-ray" d="M{left + wide:.1f} {top - wide * _RISE:.1f}L{point}'
            f'M{left + wide:.1f} {top - wide * _RISE + high:.1f}L{point}"/>'
        )


def _size(shape: Shape) -> str:
    """A shape as slides write it: 20@24x24."""
    if len(shape) == 3:
        return f"{shape[0]:,}@{shape[1]}x{shape[2]}"
    return "x".join(f"{size:,}" for size in shape)


def _face(style: str, corner: Point, one: Point, other: Point) -> str:
    """A parallelogram from a corner along two sides."""
    (x, y), (a, b), (c, d) = corner, one, other
    return f'<path class="{style}" d="M{x:.1f} {y:.1f}l{a:.1f} {b:.1f}l{c:.1f} {d:.1f}l{-a:.1f} {-b:.1f}z"/>'


def _edges(theme: Plain) -> str:
    """The rules for edges, windows and rays in a theme."""
    paints = PAINTS[theme]
    kinds = "".join(f".ns-{kind} .ns-edge{{stroke:{outline(kind, theme)}}}" for kind in HUES)
    return f"{kinds}.ns-window,.ns-ray{{stroke:{paints.line}}}"


def _styles(theme: Theme) -> str:
    """All rules of a drawing."""
    if theme != "auto":
        return styles(theme) + _STYLES + _edges(theme)
    dark = f"@media screen and (prefers-color-scheme:dark){{{_edges('dark')}}}"
    return f"{styles('auto')}{_STYLES}{_edges('light')}{dark}"


_STYLES = (
    ".ns-net .ns-box,.ns-net .ns-edge{stroke-linejoin:round;stroke-width:1}"
    ".ns-edge{fill:none;stroke-opacity:1}.ns-side{fill:#000;fill-opacity:.1}"
    ".ns-small{font-size:11px}.ns-window{fill:#fff;fill-opacity:.45;stroke-width:1}"
    ".ns-ray{fill:none;stroke-width:.8;stroke-dasharray:3 2}"
)
