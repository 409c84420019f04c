"""Chart to Mermaid, which GitHub and many editors draw inside Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netspec.core.outputs import DRAWN
from netspec.core.visible import visible
from netspec.drawing.boxes import Block, Chart, Item
from netspec.drawing.colours import HUES, fill, outline
from netspec.drawing.text import lines, name_in
from netspec.drawing.tree import Group, tree

_FORMS = {"box": ("[", "]"), "pill": ("([", "])"), "circle": ("((", "))")}
_UNSAFE = re.compile(r"[^A-Za-z0-9 _./,+=()-]")


def mermaid(chart: Chart, title: str) -> str:
    """A net as a flowchart: an open block is a subgraph, a layer a node, and each line has a blob's shape."""
    kinds = sorted({item.kind for item in chart.items} & HUES.keys())
    parts = [
        "---",
        f'title: "{_title(title)}"',
        "---",
        f"%% {DRAWN}",
        "flowchart TD",
        *_inside(chart, tree(chart), (), "  "),
        *(
            f'  n{wire.source} -- "{_text(wire.shape)}" --> n{wire.target}'
            for wire in chart.wires
            if wire.target is not None
        ),
        *(
            f"  classDef {kind} fill:{fill(kind, 'light')},stroke:{outline(kind, 'light')},color:#16191d"
            for kind in kinds
        ),
    ]
    return "\n".join(parts) + "\n"


def _inside(chart: Chart, group: Group, base: Block, indent: str) -> Iterator[str]:
    for child in group.children:
        if isinstance(child, int):
            yield indent + _node(child, chart.items[child], base)
            continue
        assert child.path is not None
        first = next(_items(child))
        yield f'{indent}subgraph g{first}_{len(child.path)} ["{_text("/".join(child.path[len(base) :]))}"]'
        yield from _inside(chart, child, child.path, indent + "  ")
        yield f"{indent}end"


def _items(group: Group) -> Iterator[int]:
    for child in group.children:
        if isinstance(child, int):
            yield child
        else:
            yield from _items(child)


def _node(number: int, item: Item, base: Block) -> str:
    label = "<br/>".join(map(_text, lines(item, name_in(item, base))))
    left, right = _FORMS[item.form]
    return f'n{number}{left}"{label}"{right}:::{item.kind}'


def _text(text: str) -> str:
    """A text inside quotes: all that Mermaid or HTML could take for more than text is a number of a character."""
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", visible(text))


def _title(text: str) -> str:
    """A text inside the double quotes of YAML."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')
