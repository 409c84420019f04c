"""The keys that an override may name in a spec, level by level, for completion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from netspec.core.model import by_name, class_of, fields_of
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.rooms import UnknownWord

if TYPE_CHECKING:
    from netspec.language.extend import Shelf


def keys(document: Document, shelf: Shelf, path: Sequence[str]) -> list[str]:
    """The keys below a path: with a dot behind those that have keys below, with `=` behind those that have a value."""
    if shelf == "solvers" and path[:1] == ["net"]:
        net = _net(document)
        return [] if net is None else keys(net, "models", path[1:])
    node: Node | None = document.root
    fields = _solver_fields(document) if shelf == "solvers" else _net_fields()
    for step in path:
        node, fields = _into(node, fields, step)
    return sorted(_here(node, fields))


def _net(document: Document) -> Document | None:
    """The net of a solver, not expanded."""
    from netspec.language.extend import extended, open_spec

    node = document.root.items.get("net")
    if isinstance(node, Mapping):
        return extended(replace(document, root=node), "models")
    base = document.path.parent if document.path else None
    return open_spec(str(node.value), "models", base) if isinstance(node, Scalar) else None


def _net_fields() -> dict[str, Any]:
    from netspec.net.spec import NetSpec

    return dict(NetSpec.model_fields)


def _solver_fields(document: Document) -> dict[str, Any]:
    from netspec.training.solvers.base import SOLVERS
    from netspec.training.spec import SolverSpec

    fields = {name: info for name, info in SolverSpec.model_fields.items() if not info.exclude}
    return fields | fields_of(_class(SOLVERS, document.root, "SGD"))


def _class(room: Any, node: Node | None, default: str = "") -> Any:
    """The class that a node's `type` selects from a room; None for an unknown word."""
    word = node.items.get("type") if isinstance(node, Mapping) else None
    try:
        return room.get(str(word.value) if isinstance(word, Scalar) else default)
    except UnknownWord:
        return None


def _into(node: Node | None, fields: dict[str, Any], step: str) -> tuple[Node | None, dict[str, Any]]:
    """The node and the fields one step below."""
    from netspec.layers.base import LAYERS

    if isinstance(node, Items):
        entry = next((item for item in node.items if _name(item) == step), None)
        return entry, fields_of(_class(LAYERS, entry))
    inner = node.items.get(step) if isinstance(node, Mapping) else None
    value = inner.plain() if inner is not None else None
    if step in fields and by_name(fields[step]):
        named = inner.items if isinstance(inner, Mapping) else ()
        return inner, {name: FieldInfo.from_annotation(class_of(fields[step], None) or object) for name in named}
    return inner, fields_of(class_of(fields[step], value)) if step in fields else {}


def _here(node: Node | None, fields: dict[str, Any]) -> Iterator[str]:
    if isinstance(node, Items):
        yield from (f"{name}." for name in map(_name, node.items) if name)
        return
    said = node.items if isinstance(node, Mapping) else {}
    for key in {*fields, *said}:
        inner = said.get(key)
        listed = isinstance(inner, Items) and any(map(_name, inner.items))
        below = isinstance(inner, Mapping) or listed or (key in fields and _into(node, fields, key)[1])
        if below:
            yield f"{key}."
        if not listed and not (isinstance(inner, Mapping) and key not in fields):
            yield f"{key}="


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return str(name.value) if isinstance(name, Scalar) else None
