"""Document to Document, before validation: overrides and variables; every value keeps its origin.

An override names a value by dots (`base_lr=0.1`, `layers.conv1.num_output=32`; layers by name, a name with dots in quotes).
A scalar `$x` becomes the value of `vars: {x: ...}` and keeps its type; `a$x` is put together as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from netspec.diagnostics import Findings, Place, Source, SpecError, UsageError, suggest
from netspec.document import Document, Mapping, Node, Scalar, parse_value
from netspec.document import Sequence as Items

_KEY = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^.]+)')
_VARIABLE = re.compile(r"\$(\$|[A-Za-z_][A-Za-z0-9_]*)")


class OverrideError(UsageError):
    """An override on the command line cannot be read, or names nothing."""

    code = "NS110"


class UnknownVariableError(SpecError):
    """`$x` is used, but no `vars:` gives x."""

    code = "NS120"


class BadVariableError(SpecError):
    """A variable holds something that cannot stand where it is used."""

    code = "NS121"


def expand(document: Document, overrides: Iterable[str] = ()) -> Document:
    """The document with its overrides applied and its variables replaced. Raises every mistake found."""
    found = Findings()
    root = document.root
    for position, text in enumerate(overrides):
        with found.catching():
            root = override(root, text, position)
    found.raise_if_any()
    expanded = substitute(root, found)
    found.raise_if_any()
    return replace(document, root=expanded)


def split_overrides(overrides: Sequence[str], prefix: str) -> tuple[list[str], list[str]]:
    """Overrides that begin with `prefix.` (without it), and the others: `net.layers...` of a solver belongs to its net."""
    inside = [text.removeprefix(prefix + ".") for text in overrides if text.startswith(prefix + ".")]
    return inside, [text for text in overrides if not text.startswith(prefix + ".")]


def override(root: Mapping, text: str, position: int = 0) -> Mapping:
    """`root` with one `key.sub=value` applied. Raises OverrideError."""
    source = Source("command line", text)
    key, equals, value = text.partition("=")
    if not equals:
        raise OverrideError(
            f"'{text}' is not an override", at=Place(source, 1, 1, len(text)), help="write key=value, without spaces around ="
        )
    if key[:1] in {"-", "\N{EN DASH}", "\N{EM DASH}"}:
        raise OverrideError(f"'{key}' is not a key", at=Place(source, 1, 1, len(key)), help="options begin with two plain hyphens")
    steps: list[tuple[str, int]] = []
    end = 0
    for match in _KEY.finditer(key):
        steps.append((next(g for g in match.groups() if g is not None), match.start() + 1))
        end = match.end()
    if not steps or end != len(key) or ".." in key or key.startswith("."):
        raise OverrideError(
            f"'{key}' is not a dotted key", at=Place(source, 1, 1, max(1, len(key))), help="like layers.conv1.num_output=32"
        )
    node = parse_value(value, source, 1, len(key) + 2)
    if isinstance(node, Scalar) and not value:
        node = replace(node, at=Place(source, 1, len(key) + 1, 1))
    return _put(root, steps, node, source)  # type: ignore[return-value]


def _put(node: Node, steps: list[tuple[str, int]], value: Node, source: Source) -> Node:
    """`node` with `value` at the path `steps`."""
    if not steps:
        return value
    (name, column), rest = steps[0], steps[1:]
    at = Place(source, 1, column, len(name))
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Mapping({"type": node}, {"type": node.at}, node.at)
    if isinstance(node, Mapping):
        inner = node.items.get(name)
        if inner is None:
            inner = Mapping({}, {}, at) if rest else Scalar(None, at)
        return node.with_item(name, _put(inner, rest, value, source), at)
    if isinstance(node, Items):
        return _put_item(node, name, at, rest, value, source)
    raise OverrideError(f"'{name}' cannot be set: what stands there is {_describe(node)}", at=at)


def _put_item(node: Items, name: str, at: Place, rest: list[tuple[str, int]], value: Node, source: Source) -> Items:
    by_name = {_name(item): i for i, item in enumerate(node.items) if _name(item) is not None}
    if by_name:
        index = by_name.get(name)
        if index is None:
            raise OverrideError(f"there is no '{name}' in this list", at=at, help=suggest(name, [n for n in by_name if n]))
    elif name.isdigit() and int(name) < len(node.items):
        index = int(name)
    else:
        raise OverrideError(f"'{name}' is not a position in a list of {len(node.items)}", at=at, help="positions count from 0")
    items = list(node.items)
    items[index] = _put(items[index], rest, value, source)
    return replace(node, items=tuple(items))


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return str(name.value) if isinstance(name, Scalar) else None


def _describe(node: Node) -> str:
    return "a list" if isinstance(node, Items) else "a mapping" if isinstance(node, Mapping) else f"{node.value!r}"


def substitute(root: Mapping, found: Findings) -> Mapping:
    """`root` without `vars`, its `$x` replaced."""
    table = root.items.get("vars")
    variables: dict[str, Node] = {}
    if isinstance(table, Mapping):
        for name, node in table.items.items():
            variables[name] = _replace(node, variables, found)
    elif table is not None:
        found.add(BadVariableError(f"`vars` is a mapping of names to values, not {_describe(table)}", at=table.at))
    return _replace(root.without("vars"), variables, found)  # type: ignore[return-value]


def _replace(node: Node, variables: dict[str, Node], found: Findings) -> Node:
    if isinstance(node, Items):
        return replace(node, items=tuple(_replace(item, variables, found) for item in node.items))
    if isinstance(node, Mapping):
        return replace(node, items={key: _replace(item, variables, found) for key, item in node.items.items()})
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    if "$(" in node.value:
        found.add(BadVariableError("`$(...)` expressions are not read yet", at=node.at, help="give the value in `vars:` and write $name"))
        return node
    whole = _VARIABLE.fullmatch(node.value)
    if whole and whole[1] != "$":
        chosen = _variable(whole[1], variables, node.at, found)
        return replace(chosen, at=node.at) if isinstance(chosen, Scalar) else chosen if chosen is not None else node

    def text_of(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        chosen = _variable(match[1], variables, node.at, found)
        if isinstance(chosen, Scalar):
            return "" if chosen.value is None else str(chosen.value)
        if chosen is not None:
            found.add(BadVariableError(f"${match[1]} is {_describe(chosen)} and cannot stand inside a text", at=node.at))
        return match[0]

    return replace(node, value=_VARIABLE.sub(text_of, node.value))


def _variable(name: str, variables: dict[str, Node], at: Place, found: Findings) -> Node | None:
    if name not in variables:
        found.add(
            UnknownVariableError(f"no `vars:` gives ${name}", at=at, help=suggest(name, variables) if variables else "add it under `vars:`")
        )
    return variables.get(name)
