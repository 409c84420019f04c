"""Overrides: `key.sub=value` on the command line, as an edit of a document (`layers.conv1.num_output=32`).

A layer is addressed by its name. A name with dots, = or quotes stands in quotes: in double quotes as in JSON, in single
quotes with two for one, as in `layers."a.b".num_output=3`. The new value is validated like those of the files; `null`
drops a key that the file has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from netspec.core.errors import Findings, SpecError, UsageError
from netspec.core.nodes import Mapping, Node, Scalar, describe
from netspec.core.nodes import Sequence as Items
from netspec.core.places import COMMAND_LINE, Place, SourceText
from netspec.core.spelling import suggest
from netspec.language.document import parse_value
from netspec.language.words import NET_FIELDS

_STEP = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'|[^.=\'"][^.=]*', re.DOTALL)
"""A step of a key, in double quotes, in single quotes, or bare."""


class OverrideError(UsageError):
    """An override on the command line cannot be read, or names nothing."""

    code = "NS110"


class Step(NamedTuple):
    """A name in a key: the column where it is written, and its width there."""

    name: str
    column: int
    width: int


@dataclass(frozen=True)
class Override:
    """A parsed `key.sub=value`: the steps of its key, and the node of its value.

    The first `outer` steps lead to the document that is edited: 1 for `net.layers...`, seen from the net.
    """

    source: SourceText
    steps: tuple[Step, ...]
    value: Node
    outer: int = 0

    @property
    def path(self) -> tuple[Step, ...]:
        """The steps of the key within the document that is edited."""
        return self.steps[self.outer :]

    @property
    def prefix(self) -> str:
        """The text of the key in front of `path`, such as `net.`."""
        return self.source.text[: self.path[0].column - 1]

    @property
    def drops(self) -> bool:
        """Whether the value is a written `null`, which drops a key. A variable keeps it: null is a value there."""
        null = isinstance(self.value, Scalar) and self.value.value is None
        return null and not self.source.text.endswith("=") and "vars" not in (step.name for step in self.steps)

    def inside(self, key: str) -> Override | None:
        """The override seen from the document under `key`; None if the override edits something else."""
        return replace(self, outer=self.outer + 1) if len(self.path) > 1 and self.path[0].name == key else None


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
    if "=" not in text:
        at, help = Place(source, 1, 1, len(text)), "write key=value, without spaces around ="
        raise OverrideError(f"'{text}' is not an override", at=at, help=help)
    if text[0] in {"-", "\N{EN DASH}", "\N{EM DASH}"}:
        key = text.partition("=")[0]
        at, help = Place(source, 1, 1, len(key)), "options begin with two plain hyphens"
        raise OverrideError(f"'{key}' is not a key", at=at, help=help)
    steps, end = _steps(source)
    key, value = text[:end], text[end + 1 :]
    try:
        node = parse_value(value, source, end + 2)
    except SpecError as error:
        help = error.help or "is a quote or a bracket missing, or taken away by the shell?"
        raise OverrideError(f"the value of '{key}' cannot be read: {error.message}", at=error.at, help=help) from None
    if isinstance(node, Scalar) and not value:
        node = replace(node, at=Place(source, 1, end + 1, 1))
    return Override(source, steps, node)


def _steps(source: SourceText) -> tuple[tuple[Step, ...], int]:
    """The steps of an override's key, and the position of the = behind it. Raises OverrideError."""
    text, steps, end = source.text, [], -1
    while end < 0 or text[end : end + 1] == ".":
        found = _STEP.match(text, end + 1)
        if found is None:
            break
        steps.append(_step(found[0], source, found.start() + 1))
        end = found.end()
    if text[end : end + 1] != "=" or not steps:
        key = text[: text.index("=", max(0, end))] if "=" in text[max(0, end) :] else text
        at, help = Place(source, 1, 1, max(1, len(key))), "like layers.conv1.num_output=32, or layers.'a.b'.pad=1"
        raise OverrideError(f"'{key}' is not a dotted key", at=at, help=help)
    return tuple(steps), end


def _step(written: str, source: SourceText, column: int) -> Step:
    """A step as it is written: bare, in single quotes, or in double quotes as JSON. Raises OverrideError."""
    at = Place(source, 1, column, len(written))
    if written[0] == "'":
        return Step(written[1:-1].replace("''", "'"), column, len(written))
    try:
        name = str(json.loads(written, strict=False)) if written[0] == '"' else written
    except ValueError:
        help = "a backslash in double quotes begins an escape as in JSON; single quotes have none"
        raise OverrideError(f"{written} is no name", at=at, help=help) from None
    return Step(name, column, len(written))


def override(root: Mapping, one: Override) -> Mapping:
    """`root` with an override applied. Raises OverrideError."""
    _check_names(root, one)
    dropped = _dropped(root, one.path, one.source) if one.drops else None
    return dropped if isinstance(dropped, Mapping) else _put_key(root, list(one.path), one.value, one.source)


def _dropped(node: Node, steps: Sequence[Step], source: SourceText) -> Node | None:
    """`node` without the key at the path `steps`; None where there is no such key. Raises OverrideError."""
    name, rest = steps[0].name, steps[1:]
    if isinstance(node, Items):
        items = list(node.items)
        index = _position(node, steps[0], source)
        inner = None if index is None or not rest else _dropped(items[index], rest, source)
        if index is None or inner is None:
            return None
        items[index] = inner
        return replace(node, items=tuple(items))
    if not isinstance(node, Mapping) or name not in node.items:
        return None
    if not rest:
        return node.without(name)
    inner = _dropped(node.items[name], rest, source)
    return None if inner is None else node.with_item(name, inner, node.keys[name])


def _check_names(root: Mapping, one: Override) -> None:
    """Raise OverrideError for a variable or a block that the file lacks: nothing would read the value."""
    source, steps, table, first = one.source, one.path, root.items.get("vars"), one.path[0].name
    if "layers" in root.items and first not in NET_FIELDS and isinstance(table, Mapping) and first in table.items:
        help = f"write {one.prefix}vars.{source.text[len(one.prefix) :]}"
        raise OverrideError(f"'{first}' is a variable", at=_place(source, steps[0]), help=help)
    if (
        "net" in root.items
        and "layers" not in root.items
        and first in {"layers", "blocks", "defaults"}
        and len(steps) > 1
    ):
        raise OverrideError(
            f"a solver has no `{first}`", at=_place(source, steps[0]), help=f"its net has: write net.{source.text}"
        )
    if first == "layers" and len(steps) > 1 and "/" in steps[1].name:
        _not_expanded(root, steps[1], source)
    if first == "vars" and len(steps) > 1:
        _known(root, "vars", steps[1], "variable", source)
    if first == "blocks" and len(steps) > 2:
        block = _known(root, "blocks", steps[1], "block", source)
        if steps[2].name == "vars" and len(steps) > 3:
            _known(block, "vars", steps[3], "variable", source)


def _known(holder: Node | None, key: str, step: Step, what: str, source: SourceText) -> Node:
    """The value under a name in a table of the file, such as `vars`. Raises OverrideError."""
    table = holder.items.get(key) if isinstance(holder, Mapping) else None
    names = table.items if isinstance(table, Mapping) else {}
    if step.name not in names:
        help = suggest(step.name, names) if names else f"there is no `{key}:` to hold one"
        raise OverrideError(f"there is no {what} '{step.name}'", at=_place(source, step), help=help)
    return names[step.name]


def _place(source: SourceText, step: Step) -> Place:
    """The place of a step on the command line."""
    return Place(source, 1, step.column, step.width)


def _put(node: Node, steps: list[Step], value: Node, source: SourceText) -> Node:
    """`node` with `value` at the path `steps`."""
    if not steps:
        return value
    if isinstance(node, Scalar) and node.value is None:
        node = Mapping({}, {}, node.at)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        node = Mapping({"type": node}, {"type": node.at}, node.at)
    if isinstance(node, Mapping):
        return _put_key(node, steps, value, source)
    if isinstance(node, Items):
        return _put_item(node, steps, value, source)
    at, held = _place(source, steps[0]), source.text[: steps[0].column - 2]
    raise OverrideError(f"'{held}' is {describe(node)}: it holds no '{steps[0].name}'", at=at)


def _put_key(node: Mapping, steps: list[Step], value: Node, source: SourceText) -> Mapping:
    """A mapping with `value` at the path `steps`, which has a step."""
    name, rest = steps[0].name, steps[1:]
    at = _place(source, steps[0])
    inner = node.items.get(name, Scalar(None, at))
    place = node.keys[name] if rest and name in node.items else at
    return node.with_item(name, _put(inner, rest, value, source), place)


def _put_item(node: Items, steps: list[Step], value: Node, source: SourceText) -> Items:
    """A list with `value` in the entry that the first step names, or whose position it is."""
    name, at = steps[0].name, _place(source, steps[0])
    index = _position(node, steps[0], source)
    if index is None:
        names = list(filter(None, map(_name, node.items)))
        if names:
            raise OverrideError(f"`{source.text[: at.column - 2]}` has no '{name}'", at=at, help=suggest(name, names))
        raise OverrideError(
            f"'{name}' is not a position in a list of {len(node.items)}", at=at, help="positions count from 0"
        )
    items = list(node.items)
    items[index] = _put(items[index], steps[1:], value, source)
    return replace(node, items=tuple(items))


def _position(node: Items, step: Step, source: SourceText) -> int | None:
    """The position of an item by its name, or, in a list of items without names, by its number.

    Raises OverrideError for a name that several items have.
    """
    name = step.name
    written = [(i, each) for i, item in enumerate(node.items) if (each := _name(item)) is not None]
    if written:
        found = [i for i, each in written if _meant(each) == name] or [i for i, each in written if each == name]
        if len(found) > 1:
            raise OverrideError(
                f"{len(found)} entries are called '{name}', and an override cannot tell them apart",
                at=_place(source, step),
                help="give them names of their own, or change the file",
                related=[(f"number {n}:", node.items[i].at) for n, i in enumerate(found[:4], 1)],
            )
        return found[0] if found else None
    return int(name) if name.isascii() and name.isdigit() and int(name) < len(node.items) else None


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return str(name.value) if isinstance(name, Scalar) else None


def _meant(name: str) -> str:
    """A name without variables as it will be: with a dollar sign for two."""
    return name if "$" in name.replace("$$", "") else name.replace("$$", "$")


def _not_expanded(root: Mapping, step: Step, source: SourceText) -> None:
    """Raise OverrideError for a layer that expansion creates, with the key to change instead as help."""
    name, blocks = step.name, root.items.get("blocks")
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
