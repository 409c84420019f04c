"""Document to Document, before validation: overrides and variables; every value keeps its origin.

An override names a value by dots (`base_lr=0.1`, `layers.conv1.num_output=32`; layers by name, a name with dots in quotes).
A scalar `$x` becomes the value of `vars: {x: ...}` and keeps its type; `a$x` is put together as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from netspec.diagnostics import Findings, Place, Source, SpecError, UsageError, suggest
from netspec.document import MAX_DEPTH, MAX_NODES, Document, Mapping, Node, Scalar, TooLargeError, parse_value
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


ENOUGH = 100
"""Errors after which no more spellings are compared."""
MAX_TEXT = 10_000
"""Characters that a text may have once its variables are replaced."""


def expand(document: Document, overrides: Iterable[str] = (), prefix: str = "", apart: str | None = None) -> Document:
    """The document with its overrides applied and its variables replaced. Raises every mistake found.

    Overrides begin with `prefix` where this document stands inside another (`net.`). A mapping under the key `apart` keeps its variables.
    """
    found = Findings()
    root = document.root
    for text in overrides:
        with found.catching():
            root = override(root, text, prefix)
    found.raise_if_any()
    expanded = substitute(root, found, apart)
    found.raise_if_any()
    return replace(document, root=expanded)


def override(root: Mapping, text: str, prefix: str = "") -> Mapping:
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
    for match in _KEY.finditer(key, len(prefix)):
        steps.append((next(g for g in match.groups() if g is not None), match.start() + 1))
        end = match.end()
    if not steps or end != len(key) or ".." in key or key.startswith("."):
        raise OverrideError(
            f"'{key}' is not a dotted key", at=Place(source, 1, 1, max(1, len(key))), help="like layers.conv1.num_output=32"
        )
    try:
        node = parse_value(value, source, len(key) + 2)
    except SpecError as error:
        help = error.help or "is a quote or a bracket missing, or taken away by the shell?"
        raise OverrideError(f"the value of '{key}' cannot be read: {error.message}", at=error.at, help=help) from None
    if isinstance(node, Scalar) and not value:
        node = replace(node, at=Place(source, 1, len(key) + 1, 1))
    return _put(root, steps, node, source)  # type: ignore[return-value]


def _put(node: Node, steps: list[tuple[str, int]], value: Node, source: Source) -> Node:
    """`node` with `value` at the path `steps`."""
    if not steps:
        return value
    (name, column), rest = steps[0], steps[1:]
    at = Place(source, 1, column, len(name))
    if isinstance(node, Scalar) and node.value is None:
        node = Mapping({}, {}, node.at)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Mapping({"type": node}, {"type": node.at}, node.at)
    if isinstance(node, Mapping):
        inner = node.items.get(name, Scalar(None, at))
        return node.with_item(name, _put(inner, rest, value, source), node.keys[name] if rest and name in node.items else at)
    if isinstance(node, Items):
        return _put_item(node, name, at, rest, value, source)
    raise OverrideError(f"'{source.text[: column - 2]}' is {_describe(node)}: it holds no '{name}'", at=at)


def _put_item(node: Items, name: str, at: Place, rest: list[tuple[str, int]], value: Node, source: Source) -> Items:
    by_name = {_name(item): i for i, item in enumerate(node.items) if _name(item) is not None}
    if by_name:
        index = by_name.get(name)
        if index is None:
            where = source.text[: at.column - 2]
            raise OverrideError(f"`{where}` has no '{name}'", at=at, help=suggest(name, [n for n in by_name if n]))
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


def substitute(root: Mapping, found: Findings, apart: str | None = None) -> Mapping:
    """`root` without `vars`, its `$x` replaced; not inside the mapping under the key `apart`."""
    return _Variables(found).all(root, apart)


class _Variables:
    """The variables of one document, and how large each is: small ones that name one another must not grow beyond all bounds."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.nodes: dict[str, Node] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
        """Values and depth of each variable's node, by its id: the nodes live as long as this."""

    def all(self, root: Mapping, apart: str | None) -> Mapping:
        """`root` without `vars`, every other value replaced."""
        table = root.items.get("vars")
        if isinstance(table, Mapping):
            for name, node in table.items.items():
                self.add(name, node)
        elif table is not None and not (isinstance(table, Scalar) and table.value is None):
            help = "like `vars: {classes: 10}`"
            self.found.add(BadVariableError(f"`vars` is a mapping of names to values, not {_describe(table)}", at=table.at, help=help))
        rest = root.without("vars")
        kept = rest.items.get(apart) if apart else None
        done = {key: node if node is kept and isinstance(node, Mapping) else self.replace(node) for key, node in rest.items.items()}
        expanded = replace(rest, items=done)
        self.measured(expanded, table.at if table else root.at)
        return expanded

    def add(self, name: str, node: Node) -> None:
        """Keep a variable; one that grew too large becomes nothing."""
        value = self.replace(node)
        size = self.measured(value, node.at)
        self.nodes[name] = value if size else Scalar(None, node.at)
        if size and not isinstance(value, Scalar):
            self.sizes[id(value)] = size

    def measured(self, node: Node, at: Place) -> tuple[int, int] | None:
        """Values and depth of a node; None, and an error, when they are too many."""
        number, depth = self.measure(node)
        if number <= MAX_NODES and depth <= MAX_DEPTH:
            return number, depth
        what = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"more than {MAX_NODES:,} values"
        self.found.add(TooLargeError(f"{what} once variables are replaced", at=at, help="a spec is a short text file"))
        return None

    def measure(self, node: Node) -> tuple[int, int]:
        if isinstance(node, Scalar):
            return 1, 0
        if id(node) in self.sizes:
            return self.sizes[id(node)]
        below = [self.measure(item) for item in (node.items.values() if isinstance(node, Mapping) else node.items)]
        return 1 + sum(number for number, _ in below), 1 + max((depth for _, depth in below), default=0)

    def replace(self, node: Node) -> Node:
        if isinstance(node, Items):
            return replace(node, items=tuple(map(self.replace, node.items)))
        if isinstance(node, Mapping):
            return replace(node, items={key: self.replace(item) for key, item in node.items.items()})
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        if "$(" in node.value:
            help = "give the value in `vars:` and write $name"
            self.found.add(BadVariableError("`$(...)` expressions are not read yet", at=node.at, help=help))
            return node
        whole = _VARIABLE.fullmatch(node.value)
        if whole and whole[1] != "$":
            chosen = self.named(whole[1], node.at)
            return replace(chosen, at=node.at) if isinstance(chosen, Scalar) else chosen if chosen is not None else node
        return self.text(node)

    def text(self, node: Scalar) -> Scalar:
        """A text with variables in it."""

        def text_of(match: re.Match[str]) -> str:
            if match[1] == "$":
                return "$"
            chosen = self.named(match[1], node.at)
            if isinstance(chosen, Scalar):
                return "" if chosen.value is None else str(chosen.plain())
            if chosen is not None:
                self.found.add(BadVariableError(f"${match[1]} is {_describe(chosen)} and cannot stand inside a text", at=node.at))
            return match[0]

        value = _VARIABLE.sub(text_of, str(node.value))
        if len(value) > MAX_TEXT:
            help = "a spec is a short text file"
            self.found.add(TooLargeError(f"a text of more than {MAX_TEXT:,} characters once variables are replaced", at=node.at, help=help))
            value = ""
        return replace(node, value=value)

    def named(self, name: str, at: Place) -> Node | None:
        if name not in self.nodes:
            help = suggest(name, self.nodes) if len(self.found) < ENOUGH else None
            help = help if self.nodes else "add it under `vars:`; write $$ for the sign itself"
            self.found.add(UnknownVariableError(f"no `vars:` gives ${name}", at=at, help=help))
        return self.nodes.get(name)
