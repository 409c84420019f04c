"""The text of an item where it is written and not drawn: in DOT, in Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.visible import visible
from netspec.drawing.boxes import Block, Item


def name_in(item: Item, base: Block) -> str:
    """The name of an item inside the frame of a block: without the block's name."""
    prefix = "/".join(base) + "/"
    return item.name.removeprefix(prefix) if base and item.kind != "label" else item.name


def lines(item: Item, name: str) -> Iterator[str]:
    """The name of an item, its type and figures, and the types of the layers merged into it."""
    if item.form != "circle":
        yield visible(name)
    yield from map(visible, item.lines)
    if not item.folded:
        yield from (part.type for part in item.parts[1:])
