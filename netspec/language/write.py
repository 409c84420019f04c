"""Document to text: YAML that reads back to equal values, with a line for each layer, or each value and its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.language.document import word

WIDTH = 100
"""Maximum width of a value in braces or brackets; a longer value is written over several lines."""
MARGIN = 44
"""Column at which origins begin, where the values leave room."""


def write(document: Document, origins: bool = False) -> str:
    """The document as text.

    With `origins` every value is followed by the place it was written at, and by the places that brought it there.
    """
    lines = _mapping(document.root, 0, origins)
    return "\n".join(f"{text:<{MARGIN}}  # {origin(at)}" if origins and at else text for text, at in lines)


def origin(place: Place) -> str:
    """A place and the places that brought it into the spec: resnet.yaml:9:14, expanded from resnet.yaml:30:5.

    It stands on one line, whatever the name of the file.
    """
    here = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(place))
    return here + (f", {place.how} {origin(place.via)}" if place.via else "")


Line = tuple[str, Place | None]


def _mapping(node: Mapping, indent: int, origins: bool, first: str = "") -> Iterator[Line]:
    """The lines of a mapping; `first` is the text before the first line, such as `- `."""
    pad = " " * indent
    for key, value in node.items.items():
        head = f"{first or pad}{word(key)}:"
        first = ""
        yield from _value(head, key, value, indent, origins)


def _value(head: str, key: str, value: Node, indent: int, origins: bool) -> Iterator[Line]:
    if isinstance(value, Scalar):
        yield f"{head} {_flow(value)}", value.at
    elif key == "layers" and isinstance(value, Items) and value.items:
        yield head, None
        for item in value.items:
            if origins and isinstance(item, Mapping) and item.items:
                yield from _mapping(item, indent + 4, origins, " " * (indent + 2) + "- ")
            else:
                yield f"{' ' * indent}  - {_flow(item)}", item.at
    elif (
        isinstance(value, Mapping)
        and value.items
        and (origins or "layers" in value.items or len(head) + len(_flow(value)) > WIDTH)
    ):
        yield head, None
        yield from _mapping(value, indent + 2, origins)
    elif isinstance(value, Items) and len(head) + len(_flow(value)) > WIDTH:
        yield head, None
        for item in value.items:
            yield f"{' ' * indent}  - {_flow(item)}", item.at
    else:
        yield f"{head} {_flow(value)}", value.at


def flow(value: Any) -> str:
    """A plain value on one line, as YAML that reads back to it; a dollar begins no variable."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return word(value.replace("$", "$$") if isinstance(value, str) else value)


def _flow(node: Node) -> str:
    """A node on one line."""
    if isinstance(node, Scalar):
        value = node.value
        return word(value.replace("$", "$$") if isinstance(value, str) else value)
    if isinstance(node, Items):
        return f"[{', '.join(map(_flow, node.items))}]"
    return "{" + ", ".join(f"{word(key)}: {_flow(item)}" for key, item in node.items.items()) + "}"
