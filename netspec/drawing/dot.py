"""Chart to DOT, the language of Graphviz: for those who lay a net out themselves."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.outputs import DRAWN
from netspec.core.visible import visible
from netspec.drawing.boxes import Block, Chart, Item
from netspec.drawing.colours import fill, outline
from netspec.drawing.text import lines, name_in
from netspec.drawing.tree import Group, tree

_SHAPES = {"box": "box", "pill": "box", "circle": "circle"}


def dot(chart: Chart, title: str) -> str:
    """A net as a digraph: an open block is a cluster, a layer a node, and each line has a blob's shape."""
    wires = [
        f'  n{wire.source} -> n{wire.target} [label="{_text(wire.shape)}"]'
        for wire in chart.wires
        if wire.target is not None
    ]
    parts = [
        f"// {DRAWN}",
        f'digraph "{_text(title)}" {{',
        f'  graph [label="{_text(title)}", labelloc=t, fontname="DejaVu Sans"]',
        '  node [shape=box, style="filled,rounded", fontname="DejaVu Sans", fontsize=11]',
        '  edge [fontname="DejaVu Sans", fontsize=10]',
        *_inside(chart, tree(chart), (), "  "),
        *wires,
        "}",
    ]
    return "\n".join(parts) + "\n"


def _inside(chart: Chart, group: Group, base: Block, indent: str) -> Iterator[str]:
    for child in group.children:
        if isinstance(child, int):
            yield indent + _node(child, chart.items[child], base)
            continue
        assert child.path is not None
        yield f'{indent}subgraph "cluster_{_text("/".join(child.path))}" {{'
        yield f'{indent}  label="{_text("/".join(child.path[len(base) :]))}"'
        yield from _inside(chart, child, child.path, indent + "  ")
        yield f"{indent}}}"


def _node(number: int, item: Item, base: Block) -> str:
    label = "\\n".join(map(_text, lines(item, name_in(item, base))))
    colours = f'fillcolor="{fill(item.kind, "light")}", color="{outline(item.kind, "light")}"'
    return f'n{number} [label="{label}", {colours}, shape={_SHAPES[item.form]}]'


def _text(text: str) -> str:
    """A text inside the quotes of DOT, where a backslash begins an escape."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')
