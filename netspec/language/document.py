"""Text to Document: plain values, each with the file, line and column it was written at.

PyYAML's C parser yields events, so that depth, size and aliases are bounded before anything is built.
Scalars follow the YAML 1.2 core schema: `1e-3` is a number, `no` is a word, `010` is ten.
A duplicate key is an error. No other module imports yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node, Scalar, Sequence
from netspec.core.places import Place, SourceText, split_lines
from netspec.core.spelling import shown
from netspec.language.plain import MAX_DEPTH, MAX_NODES, Plain
from netspec.language.scalars import is_whole, means_other, resolve
from netspec.language.yaml_errors import SyntaxMistake, explain

_NO_TEXT = "the file holds a character that YAML does not allow"


_TOO_NESTED = "exceeded maximum nesting depth"
"""Part of PyYAML's message for a text that is nested more than a thousand deep."""


class DuplicateKeyError(SpecError):
    """A mapping has the same key twice."""

    code = "NS103"


class EmptyDocumentError(SpecError):
    """The file is empty, or holds something other than a mapping."""

    code = "NS104"


class TooLargeError(SpecError):
    """Aliases, depth or number of values beyond what a spec needs."""

    code = "NS105"


class UnsupportedYamlError(SpecError):
    """YAML that netspec does not read: tags, merge keys, several documents, keys that are not words."""

    code = "NS106"


def parse(text: str, name: str = "<text>", via: Place | None = None, folder: Path = Path()) -> Document:
    """The document in a text; `name` is shown in errors, and paths in the text start from `folder`."""
    source = SourceText(name, text, folder)
    root = _Builder(source, via).build()
    if not isinstance(root, Mapping):
        if isinstance(root, Scalar) and root.value is None:
            raise EmptyDocumentError(f"'{name}' is empty", at=Place(source, via=via), help=_BEGIN)
        what = "a list" if isinstance(root, Sequence) else "a single value"
        raise EmptyDocumentError(f"a spec is a mapping of `key: value` lines, not {what}", at=root.at, help=_BEGIN)
    return Document(root, source)


_BEGIN = "a net begins with `layers:`, a solver with `net:`"


def parse_value(text: str, source: SourceText, column: int) -> Node:
    """Parse a short text, such as an override's value, that stands in line 1 of `source` from `column` on."""
    try:
        node = _Builder(SourceText(source.name, text), None).build()
    except SpecError as error:
        at = Place(source, 1, column, max(1, len(text)))
        raise type(error)(error.message, at=at, help=error.help) from None
    return _moved(node, source, 1, column)


def from_python(value: Any, name: str) -> Document:
    """Convert Python values to a document, by way of YAML text: errors point into that text.

    NumPy's scalars and arrays, and paths, become plain values. Raises UnsupportedYamlError for values that cannot.
    """
    turned = Plain()
    text = _dumped(turned.of(value), turned)
    found = Findings()
    for path, bad, help in turned.bad:
        at = parse(text, name).locate(*path)
        found.add(UnsupportedYamlError(f"{shown(bad)} is no plain value", at=at, help=help))
    found.raise_if_any()
    return parse(text, name)


def dump(value: Any) -> str:
    """Write values as YAML text that `parse` reads back to equal values. Raises UnsupportedYamlError, TooLargeError."""
    turned = Plain()
    text = _dumped(turned.of(value), turned)
    for _, bad, help in turned.bad:
        raise UnsupportedYamlError(f"{shown(bad)} is no plain value", help=help)
    return text


def _dumped(values: Any, turned: Plain) -> str:
    if turned.large:
        raise TooLargeError(f"nested more than {MAX_DEPTH} deep, or more than {MAX_NODES:,} values", help=_SHORT)
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


_SHORT = "a spec is short"


@lru_cache(maxsize=4096, typed=True)
def word(value: str | int | float | bool | None) -> str:
    """Write a plain value as YAML on one line, so that it may stand inside brackets."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.dump([value], Dumper=_Dumper, width=2**20, allow_unicode=True, default_style=style)
    return str(text).rstrip("\n")[1:-1] if style is None else str(text).rstrip("\n").removeprefix("- ").strip("[]")


class _Dumper(yaml.SafeDumper):
    """Writes YAML that readers of YAML 1.1 and 1.2 understand alike; short lists stand on one line.

    Floats have a form that both read as floats; words that YAML 1.2 would read as numbers are quoted.
    """

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        flat = not any(isinstance(item, (list, dict)) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)

    def represent_word(self, data: str) -> yaml.ScalarNode:
        other = means_other(data)
        style = "'" if other else None
        if re.search("[\r\x85\u2028\u2029\ufeff]", data):  # PyYAML would lose such a line break without double quotes
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(list, _Dumper.represent_list)


_Dumper.add_representer(str, _Dumper.represent_word)


def _moved(node: Node, source: SourceText, line: int, column: int) -> Node:
    def move(place: Place) -> Place:
        return Place(source, line, column + place.column - 1 if place.line == 1 else column, place.length)

    if isinstance(node, Sequence):
        return Sequence(tuple(_moved(item, source, line, column) for item in node.items), move(node.at))
    if isinstance(node, Mapping):
        items = {key: _moved(item, source, line, column) for key, item in node.items.items()}
        return Mapping(items, {key: move(place) for key, place in node.keys.items()}, move(node.at))
    return replace(node, at=move(node.at))


@dataclass
class _Frame:
    """A mapping or sequence whose items are still being read."""

    at: Place
    items: list[Node] = field(default_factory=list)
    keys: dict[str, Place] = field(default_factory=dict)
    mapping: bool = False
    pending: tuple[str, Scalar] | None = None
    anchor: str | None = None
    flow: bool = False
    begun: int = 0
    depth: int = 1


class _Builder:
    """Builds nodes from parser events with an explicit stack, so that no input overflows the call stack."""

    def __init__(self, source: SourceText, via: Place | None) -> None:
        self.source, self.via, self.nodes = source, via, 0
        self.anchors: dict[str, tuple[Node, int, int]] = {}
        self.stack: list[_Frame] = []
        self.root: Node | None = None

    def place(self, mark: Any, length: int = 1) -> Place:
        return Place(self.source, mark.line + 1, mark.column + 1, max(1, length), self.via)

    def events(self) -> Iterator[Any]:
        text = self.source.text
        try:
            yield from yaml.parse(text, Loader=yaml.CSafeLoader)
        except UnicodeEncodeError as error:
            raise SyntaxMistake(_NO_TEXT, at=self.nth(error.start), help="is it a text file?") from None
        except yaml.reader.ReaderError as error:
            before = text.encode()[: max(0, error.position)].decode(errors="ignore")
            raise SyntaxMistake(_NO_TEXT, at=self.nth(len(before)), help="is it a text file?") from None
        except yaml.MarkedYAMLError as error:
            if error.problem == _TOO_NESTED:  # newer parsers look further ahead than they tell
                raise TooLargeError(f"nested more than {MAX_DEPTH} deep", at=self.nth(self.nested())) from None
            raise self.syntax(error) from None
        except yaml.YAMLError as error:
            raise SyntaxMistake(f"this is not YAML: {error}", at=Place(self.source, via=self.via)) from None

    def nested(self) -> int:
        """Index of the character at which the open brackets first exceed MAX_DEPTH; 0 if they never do."""
        depth = 0
        for position, character in enumerate(self.source.text):
            depth += (character in "[{") - (character in "]}")
            if depth >= MAX_DEPTH:
                return position
        return 0

    def nth(self, position: int) -> Place:
        """Place of the character at an index, counted from 0."""
        lines = split_lines(self.source.text[:position])
        return Place(self.source, len(lines), len(lines[-1]) + 1, 1, self.via)

    def syntax(self, error: yaml.MarkedYAMLError) -> SyntaxMistake:
        at = self.place(error.problem_mark or error.context_mark)
        return explain(
            error.problem or "unreadable",
            error.context or "",
            at,
            self.place(error.context_mark) if error.context_mark else at,
        )

    def count(self, at: Place, number: int = 1) -> None:
        self.nodes += number
        if self.nodes > MAX_NODES:
            raise TooLargeError(
                f"more than {MAX_NODES:,} values once aliases are followed", at=at, help="a spec is a short text file"
            )

    def build(self) -> Node:
        documents = 0
        for event in self.events():
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise UnsupportedYamlError(
                        "a second document begins here",
                        at=self.place(event.start_mark, 3),
                        help="one file holds one net or solver",
                    )
            elif isinstance(event, yaml.ScalarEvent):
                self.scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self.alias(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self.open(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self.close(event)
        return self.root or Scalar(None, Place(self.source, via=self.via))

    def scalar(self, event: Any) -> None:
        begin, end = event.start_mark, event.end_mark
        long = end.column if end.line == begin.line else len(self.source.line(begin.line + 1))
        at = self.place(begin, long - begin.column)
        if event.tag:
            self.tag(event, at)
        quoted = event.style in {"'", '"', "|", ">"}
        is_text = quoted or event.tag == "tag:yaml.org,2002:str"
        if len(event.value.lstrip("+-")) > 40 and not is_text and is_whole(event.value):
            raise TooLargeError("a number of more than 40 digits", at=at)
        node = Scalar(event.value if is_text else resolve(event.value), at, quoted)
        self.count(at)
        self.remember(event.anchor, node, 1, 0)
        self.add(node, text=event.value)

    def tag(self, event: Any, at: Place) -> None:
        if event.tag and event.tag not in {
            "!",
            "tag:yaml.org,2002:str",
            "tag:yaml.org,2002:map",
            "tag:yaml.org,2002:seq",
        }:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise UnsupportedYamlError(
                f"the tag '{tag}' is not read", at=replace(at, length=len(tag)), help="write the plain value"
            )

    def open(self, event: Any) -> None:
        at = self.place(event.start_mark)
        self.tag(event, at)
        self.count(at)
        self.deepen(1, at)
        frame = self.stack[-1] if self.stack else None
        if frame and frame.mapping and frame.pending is None:
            line = self.source.line(at.line)
            double = line[at.column - 2 : at.column - 1] == "{"
            braces = re.match(r"\{\s*([A-Za-z_]\w*)\s*\}\}", line[at.column - 1 :]) if double else None
            help = f"write a variable as ${braces[1]}" if braces else "does a `$(...)` or a brace want quotes?"
            raise UnsupportedYamlError("a key must be a word", at=at, help=help)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Frame(at, mapping=mapping, anchor=event.anchor, flow=event.flow_style, begun=self.nodes))

    def deepen(self, depth: int, at: Place) -> None:
        if len(self.stack) + depth > MAX_DEPTH:
            raise TooLargeError(f"nested more than {MAX_DEPTH} deep", at=at)
        for level, frame in enumerate(reversed(self.stack), 1):
            if frame.depth >= depth + level:
                break
            frame.depth = depth + level

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        at = frame.at
        if frame.flow:
            end = event.end_mark.column if event.end_mark.line + 1 == at.line else len(self.source.line(at.line))
            at = replace(at, length=end - at.column + 1)
        node: Node
        if frame.mapping:
            node = Mapping(dict(zip(frame.keys, frame.items, strict=True)), frame.keys, at)
        else:
            node = Sequence(tuple(frame.items), at)
        self.remember(frame.anchor, node, self.nodes - frame.begun + 1, frame.depth)
        self.add(node)

    def remember(self, anchor: str | None, node: Node, size: int, depth: int) -> None:
        if anchor:
            self.anchors[anchor] = (node, size, depth)

    def alias(self, event: Any) -> None:
        at = self.place(event.start_mark, len(event.anchor) + 1)
        if any(frame.anchor == event.anchor for frame in self.stack):
            raise SyntaxMistake(f"the alias '*{event.anchor}' stands inside what it names", at=at)
        if event.anchor not in self.anchors:
            help = f"a variable is written ${event.anchor}; an anchor &{event.anchor}"
            raise SyntaxMistake(f"the alias '*{event.anchor}' has no anchor above it", at=at, help=help)
        node, size, depth = self.anchors[event.anchor]
        self.count(at, size)
        self.deepen(depth, at)
        self.add(node, text=str(node.value) if isinstance(node, Scalar) else None)

    def add(self, node: Node, text: str | None = None) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.mapping:
            frame.items.append(node)
        elif frame.pending is None:
            self.key(frame, node, text)
        else:
            key, written = frame.pending
            if (
                frame.flow
                and text == ""
                and ":" in key
                and not written.quoted
                and isinstance(node, Scalar)
                and not node.quoted
            ):
                raise SyntaxMistake(
                    f"'{key}' is no `key: value`", at=written.at, help="a space is missing after the ':'"
                )
            frame.keys[key] = written.at
            frame.items.append(node)
            frame.pending = None

    def key(self, frame: _Frame, node: Node, text: str | None) -> None:
        if text is None or not isinstance(node, Scalar) or node.value is None:
            raise UnsupportedYamlError("a key must be a word", at=node.at)
        if text == "<<" and not node.quoted:
            help = "write the values out, or share each through `vars:`"
            raise UnsupportedYamlError("the merge key `<<` is not part of YAML 1.2", at=node.at, help=help)
        first = frame.keys.get(text)
        if first:
            raise DuplicateKeyError(
                f"the key '{text}' is said twice", at=node.at, related=[("first said here:", first)]
            )
        frame.pending = (text, node)
