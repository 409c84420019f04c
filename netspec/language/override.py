"""Overrides: `key.sub=value` on the command line, as an edit of a document (`layers.conv1.num_output=32`).

A layer is addressed by its name; a name with dots stands in quotes. The new value is validated like those of the files;
`null` drops a key that the file has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from netspec.core.errors import Findings, SpecError, UsageError
from netspec.core.nodes import Mapping, Node, Scalar, describe
from netspec.core.nodes import Sequence as Items
from netspec.core.places import COMMAND_LINE, Place, SourceText
from netspec.core.spelling import suggest
from netspec.language.document import parse_value
from netspec.language.words import NET_FIELDS

_KEY = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^.]+)')


class OverrideError(UsageError):
    """An override on the command line cannot be read, or names nothing."""

    code = "NS110"


@dataclass(frozen=True)
class Override:
    """A parsed `key.sub=value`: the steps of its key, each with the column where it begins, and the node of its value.

    The first `outer` steps lead to the document that is edited: 1 for `net.layers...`, seen from the net.
    """

    source: SourceText
    steps: tuple[tuple[str, int], ...]
    value: Node
    outer: int = 0

    @property
    def path(self) -> tuple[tuple[str, int], ...]:
        """The steps of the key within the document that is edited."""
        return self.steps[self.outer :]

    @property
    def prefix(self) -> str:
        """The text of the key in front of `path`, such as `net.`."""
        return self.source.text[: self.path[0][1] - 1].rstrip("\"'")

    @property
    def drops(self) -> bool:
        """Whether the value is a written `null`, which drops a key. A variable keeps it: null is a value there."""
        null = isinstance(self.value, Scalar) and self.value.value is None
        return null and not self.source.text.endswith("=") and "vars" not in (name for name, _ in self.steps)

    def inside(self, key: str) -> Override | None:
        """The override seen from the document under `key`; None if the override edits something else."""
        return replace(self, outer=self.outer + 1) if len(self.path) > 1 and self.path[0][0] == key else None

    def place(self, step: tuple[str, int]) -> Place:
        """Place on the command line of a step of the key."""
        return Place(self.source, 1, step[1], len(step[0]))


def parse_overrides(texts: Iterable[str]) -> list[Override]:
    """Parse the overrides of a command line. Raises every OverrideError."""
    found, parsed = Findings(), []
    for text in texts:
        with found.catching():
            parsed.append(parse_override(text))
    found.raise_if_any()
    return parsed


def parse_override(text: str) -> Override:
    """Parse one override. Raises OverrideError."""
    source = SourceText(COMMAND_LINE, text)
    key, equals, value = text.partition("=")
    if not equals:
        at, help = Place(source, 1, 1, len(text)), "write key=value, without spaces around ="
        raise OverrideError(f"'{text}' is not an override", at=at, help=help)
    if key[:1] in {"-", "\N{EN DASH}", "\N{EM DASH}"}:
        at, help = Place(source, 1, 1, len(key)), "options begin with two plain hyphens"
        raise OverrideError(f"'{key}' is not a key", at=at, help=help)
    matches = list(_KEY.finditer(key))
    steps = tuple((next(g for g in match.groups() if g is not None), match.start() + 1) for match in matches)
    if not steps or matches[-1].end() != len(key) or ".." in key or key.startswith("."):
        at, help = Place(source, 1, 1, max(1, len(key))), "like layers.conv1.num_output=32"
        raise OverrideError(f"'{key}' is not a dotted key", at=at, help=help)
    try:
        node = parse_value(value, source, len(key) + 2)
    except SpecError as error:
        help = error.help or "is a quote or a bracket missing, or taken away by the shell?"
        raise OverrideError(f"the value of '{key}' cannot be read: {error.message}", at=error.at, help=help) from None
    if isinstance(node, Scalar) and not value:
        node = replace(node, at=Place(source, 1, len(key) + 1, 1))
    return Override(source, steps, node)


def override(root: Mapping, one: Override) -> Mapping:
    """`root` with an override applied. Raises OverrideError."""
    _check_names(root, one)
    dropped = _dropped(root, list(one.path)) if one.drops else None
    return dropped if isinstance(dropped, Mapping) else _put_key(root, list(one.path), one.value, one.source)


def _dropped(node: Node, steps: list[tuple[str, int]]) -> Node | None:
    """`node` without the key at the path `steps`; None where there is no such key."""
    (name, _), rest = steps[0], steps[1:]
    if isinstance(node, Items):
        items = list(node.items)
        index = next((i for i, item in enumerate(items) if _name(item) == name), None)
        inner = None if index is None or not rest else _dropped(items[index], rest)
        if index is None or inner is None:
            return None
        items[index] = inner
        return replace(node, items=tuple(items))
    if not isinstance(node, Mapping) or name not in node.items:
        return None
    if not rest:
        return node.without(name)
    inner = _dropped(node.items[name], rest)
    return None if inner is None else node.with_item(name, inner, node.keys[name])


def _check_names(root: Mapping, one: Override) -> None:
    """Raise OverrideError for a variable or a block that the file lacks: nothing would read the value."""
    source, steps, table, first = one.source, one.path, root.items.get("vars"), one.path[0][0]
    if "layers" in root.items and first not in NET_FIELDS and isinstance(table, Mapping) and first in table.items:
        help = f"write {one.prefix}vars.{source.text[len(one.prefix) :]}"
        raise OverrideError(f"'{first}' is a variable", at=one.place(steps[0]), help=help)
    if (
        "net" in root.items
        and "layers" not in root.items
        and first in {"layers", "blocks", "defaults"}
        and len(steps) > 1
    ):
        raise OverrideError(
            f"a solver has no `{first}`", at=one.place(steps[0]), help=f"its net has: write net.{source.text}"
        )
    if first == "layers" and len(steps) > 1 and "/" in steps[1][0]:
        _not_expanded(root, steps[1], source)
    if first == "vars" and len(steps) > 1:
        _known(root, "vars", steps[1], "variable", source)
    if first == "blocks" and len(steps) > 2:
        block = _known(root, "blocks", steps[1], "block", source)
        if steps[2][0] == "vars" and len(steps) > 3:
            _known(block, "vars", steps[3], "variable", source)


def _known(holder: Node | None, key: str, step: tuple[str, int], what: str, source: SourceText) -> Node:
    """The value under a name in a table of the file, such as `vars`. Raises OverrideError."""
    table = holder.items.get(key) if isinstance(holder, Mapping) else None
    names = table.items if isinstance(table, Mapping) else {}
    if step[0] not in names:
        help = suggest(step[0], names) if names else f"there is no `{key}:` to hold one"
        raise OverrideError(f"there is no {what} '{step[0]}'", at=Place(source, 1, step[1], len(step[0])), help=help)
    return names[step[0]]


def _put(node: Node, steps: list[tuple[str, int]], value: Node, source: SourceText) -> Node:
    """`node` with `value` at the path `steps`."""
    if not steps:
        return value
    if isinstance(node, Scalar) and node.value is None:
        node = Mapping({}, {}, node.at)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Mapping({"type": node}, {"type": node.at}, node.at)
    if isinstance(node, Mapping):
        return _put_key(node, steps, value, source)
    (name, column), rest = steps[0], steps[1:]
    at = Place(source, 1, column, len(name))
    if isinstance(node, Items):
        return _put_item(node, name, at, rest, value, source)
    raise OverrideError(f"'{source.text[: column - 2]}' is {describe(node)}: it holds no '{name}'", at=at)


def _put_key(node: Mapping, steps: list[tuple[str, int]], value: Node, source: SourceText) -> Mapping:
    """A mapping with `value` at the path `steps`, which has a step."""
    (name, column), rest = steps[0], steps[1:]
    at = Place(source, 1, column, len(name))
    inner = node.items.get(name, Scalar(None, at))
    place = node.keys[name] if rest and name in node.items else at
    return node.with_item(name, _put(inner, rest, value, source), place)


def _put_item(node: Items, name: str, at: Place, rest: list[tuple[str, int]], value: Node, source: SourceText) -> Items:
    by_name = {_name(item): i for i, item in enumerate(node.items) if _name(item) is not None}
    if by_name:
        index = by_name.get(name)
        if index is None:
            where = source.text[: at.column - 2]
            raise OverrideError(f"`{where}` has no '{name}'", at=at, help=suggest(name, filter(None, by_name)))
    elif name.isdigit() and int(name) < len(node.items):
        index = int(name)
    else:
        raise OverrideError(
            f"'{name}' is not a position in a list of {len(node.items)}", at=at, help="positions count from 0"
        )
    items = list(node.items)
    items[index] = _put(items[index], rest, value, source)
    return replace(node, items=tuple(items))


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return str(name.value) if isinstance(name, Scalar) else None


def _not_expanded(root: Mapping, step: tuple[str, int], source: SourceText) -> None:
    """Raise OverrideError for a layer that expansion creates, with the key to change instead as help."""
    name, blocks = step[0], root.items.get("blocks")
    path, used = name.split("/"), _entry(root, name.partition("/")[0])
    if _entry(root, name) is not None or used is None:
        return
    key = f"layers.{path[0]}"
    help = f"it is one of the layers that '{path[0]}' is repeated to: change `{key}`"
    for inner in path[1:]:
        block = used.items.get("block") if used is not None else None
        if inner.isdigit() or not isinstance(block, Scalar) or not isinstance(blocks, Mapping):
            continue
        key = f"blocks.{block.value}.layers.{inner}"
        help = f"it comes from block '{block.value}': change `{key}`, or a variable of the instance"
        used = _entry(blocks.items.get(str(block.value)), inner)
    raise OverrideError(
        f"there is no '{name}' before blocks and repeats are expanded",
        at=Place(source, 1, step[1], len(name)),
        help=help,
    )


def _entry(holder: Node | None, name: str) -> Mapping | None:
    """An entry of the `layers` of a net or a block."""
    layers = holder.items.get("layers") if isinstance(holder, Mapping) else None
    entries = layers.items if isinstance(layers, Items) else ()
    return next((item for item in entries if _name(item) == name and isinstance(item, Mapping)), None)
