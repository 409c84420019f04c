"""ShapedGraph to Scene: a net as a drawing, with the place of everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from math import ceil

from netspec.core.shape import counted, per
from netspec.core.visible import visible
from netspec.drawing.boxes import Block, Chart, Wire, chart
from netspec.drawing.figures import Box, Edge, Frame, Point, Scene, Tag
from netspec.drawing.level import without_twins
from netspec.drawing.nested import Laid, Layouts
from netspec.drawing.sizes import FONTS, HEAD_FONT, TITLE_FONT, Measured, measured, moved
from netspec.drawing.text import name_in
from netspec.drawing.tree import Group, Routes, routes, tree
from netspec.drawing.widths import cut, width
from netspec.drawing.wrap import wrapped
from netspec.net.shaped import ShapedGraph

PAGE = (190.0 / 25.4 * 72, 277.0 / 25.4 * 72)
"""A4 in points, without its margins."""
_MARGIN, _HEAD = 16.0, 46.0
_READABLE = 0.75
"""Scale of a page on which text is read with ease: 12 pixels become 9 points."""
_MOST_COLUMNS = 14


def scene(shaped: ShapedGraph, depth: int | None = None, shut: Collection[Block] = (), wrap: bool = True) -> Scene:
    """A net as a drawing. Blocks deeper than `depth` levels of names, and those in `shut`, are folded to a box.

    Long nets stand in columns that fit on a page, unless `wrap` is False.
    """
    made = chart(shaped, depth, shut)
    root = tree(made)
    layouts = layouts_of(made, root)
    if wrap:
        root = _for_a_page(root, made, layouts)
    return _Drawing(made, root, layouts).scene(title(shaped), subtitle(shaped))


def scale(scene: Scene) -> float:
    """Points a pixel has on a page of A4, upright or lying, that the drawing fills."""
    return _scale(scene.width, scene.height)


def _scale(width: float, height: float) -> float:
    short, long = PAGE
    return max(min(short / width, long / height), min(long / width, short / height), 0.0)


def _for_a_page(root: Group, made: Chart, layouts: Layouts) -> Group:
    """The tree with the columns that let a page show it largest; fewer columns where that is nearly as large."""
    laid = layouts.laid(root, routes(root, made.wires))
    best, largest = root, _scale(laid.width + 2 * _MARGIN, laid.height + _HEAD + _MARGIN)
    tall, tried = laid.height, {root}
    for halves in range(4, 2 * _MOST_COLUMNS):
        if largest >= _READABLE or 2 * tall / halves < PAGE[0]:
            break
        tree_ = wrapped(root, made.wires, layouts, 2 * tall / halves * 1.06)
        if tree_ in tried:
            continue
        tried.add(tree_)
        laid = layouts.laid(tree_, routes(tree_, made.wires))
        size = _scale(laid.width + 2 * _MARGIN, laid.height + _HEAD + _MARGIN)
        if size > largest * 1.05:
            best, largest = tree_, size
    return best


def layouts_of(made: Chart, root: Group) -> Layouts:
    """Sizes of all boxes, with the names that they have inside their frames."""
    outs: dict[int, list[Wire]] = {}
    reads: dict[int, list[tuple[int, str]]] = {}
    for wire in made.wires:
        outs.setdefault(wire.source, []).append(wire)
        if wire.target is not None:
            reads.setdefault(wire.target, []).append((wire.slot, wire.shape))
    sizes: dict[int, Measured] = {}
    for item, base in _bases(root, ()):
        shapes = [shape for _, shape in sorted(reads.get(item, ()))]
        sizes[item] = measured(made.items[item], name_in(made.items[item], base), outs.get(item, ()), shapes)
    light = frozenset(n for n, item in enumerate(made.items) if item.kind == "label")
    round_ = frozenset(n for n, item in enumerate(made.items) if item.form == "circle")
    return Layouts([sizes[n] for n in range(len(made.items))], light, round_)


def _bases(group: Group, base: Block) -> Iterator[tuple[int, Block]]:
    """Every item with the path of the innermost frame around it."""
    within = group.path if group.path is not None else base
    for child in group.children:
        if isinstance(child, Group):
            yield from _bases(child, within)
        else:
            yield child, within


def title(shaped: ShapedGraph) -> str:
    """The name of a net, as it stands above its drawing."""
    return cut(visible(shaped.graph.name), HEAD_FONT, 500, True)


def subtitle(shaped: ShapedGraph) -> str:
    """The phase, the batch and the costs of a net, as they stand below its name."""
    batch = max(1, shaped.batch)
    macs = shaped.total_macs // batch
    words = [
        f"phase {shaped.graph.phase}",
        f"batch {batch}",
        counted(shaped.total_params, "parameter"),
        f"{counted(macs, 'MAC')} {per(shaped.unit)}" if macs else "",
    ]
    return " · ".join(word for word in words if word)


class _Drawing:
    """The work of putting everything at its place."""

    def __init__(self, made: Chart, root: Group, layouts: Layouts) -> None:
        self.chart, self.root, self.layouts = made, root, layouts
        self.routes: Routes = routes(root, made.wires)
        self.boxes: dict[int, Box] = {}
        self.tags: list[Tag] = []
        self.frames: list[Frame] = []
        self.corners: dict[Group, Point] = {}
        self.laid: dict[Group, Laid] = {}

    def scene(self, title: str, subtitle: str) -> Scene:
        """The whole drawing, with its title in the upper left corner."""
        whole = self.layouts.laid(self.root, self.routes)
        needed = max(width(title, HEAD_FONT, True), width(subtitle, FONTS["text"][0]))
        wide = max(whole.width, needed)
        self._put(self.root, (_MARGIN + (wide - whole.width) / 2, _HEAD), (), 0)
        return Scene(
            title,
            subtitle,
            ceil(wide + 2 * _MARGIN),
            ceil(whole.height + _HEAD + _MARGIN),
            tuple(box for _, box in sorted(self.boxes.items())),
            tuple(self.tags),
            tuple(self._edges()),
            tuple(self.frames),
        )

    def _put(self, group: Group, corner: Point, base: Block, depth: int) -> None:
        laid = self.layouts.laid(group, self.routes, base)
        self.corners[group], self.laid[group] = corner, laid
        x, y = corner
        if group.path is not None:
            at = (x + laid.title_x, y + TITLE_FONT + 3)
            self.frames.append(Frame("/".join(group.path), laid.title, x, y, laid.width, laid.height, *at, depth=depth))
        for child, (left, top) in laid.corners.items():
            if isinstance(child, Group):
                inner = group.path if group.path is not None else base
                self._put(child, (x + left, y + top), inner, depth + (group.path is not None))
            else:
                size = self.layouts.boxes[child]
                self.boxes[child] = moved(size.box, x + left, y + top)
                self.tags += [replace(tag, x=tag.x + x + left, y=tag.y + y + top) for tag in size.tags]

    def _edges(self) -> Iterator[Edge]:
        for wire, hops in self.routes.wires.items():
            points: list[Point] = []
            for hop in hops:
                x, y = self.corners[hop.group]
                points += [(x + dx, y + dy) for dx, dy in self.laid[hop.group].points[hop]]
            assert wire.target is not None
            yield Edge(wire.source, wire.target, wire.blob, tuple(without_twins(points)))
