"""Variables: replaces `$name` and `$(expression)` in a document. Every value keeps the place it was written at.

Values are counted while they are created: a few short variables that use one another could else fill the memory.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, overload

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Scalar, describe
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.spelling import suggest
from netspec.language.document import TooLargeError
from netspec.language.expression import MAX_CHARACTERS, WORDS, Refused, Value, closing, evaluate
from netspec.language.plain import MAX_DEPTH
from netspec.language.scopes import (
    OWN,
    BadVariableError,
    BlobName,
    ExpressionError,
    FullName,
    Scope,
    Stop,
    UnknownVariableError,
    Wrong,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_BRACED = re.compile(r"\$\s*\{?\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}?")
"""A variable in the syntax of other tools, such as ${name}."""


MAX_VALUES = 100_000
"""Maximum number of values of an expanded net or solver."""


MAX_WORK = 3 * MAX_VALUES // 2
"""Maximum number of values created during expansion, those later dropped included."""


class Variables:
    """Replaces variables in the nodes of one document; mistakes go to `found`."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.top = Scope({})
        """The variables of the document itself."""
        self.busy: list[tuple[Scope, str]] = []
        """Variables whose evaluation is in progress, outermost first."""
        self.sizes: dict[int, tuple[int, int]] = {}
        self.alive: list[Node] = []
        """Nodes whose ids are keys of `sizes` and `plains`, kept so that no id is reused."""
        self.plains: dict[int, Value] = {}
        self.values = self.work = 0
        """Number of values in the finished document; number created during expansion."""

    def mapping(
        self, node: Node | None, key: str, example: str, error: type[SpecError] = BadVariableError
    ) -> dict[str, Node]:
        """The items of a mapping; none if it is missing, or of another kind, which is reported."""
        if isinstance(node, Mapping):
            return node.items
        if node is not None and not (isinstance(node, Scalar) and node.value is None):
            help = f"like `{key}: {example}`"
            self.found.add(
                error(f"`{key}` is a mapping of names to values, not {describe(node)}", at=node.at, help=help)
            )
        return {}

    def declared(self, node: Node | None, example: str) -> dict[str, Node]:
        """The variables in a `vars:` table; names that cannot be used are reported."""
        items = self.mapping(node, "vars", example)
        for name in items:
            at = node.keys[name] if isinstance(node, Mapping) else None
            if name in OWN:
                self.found.add(
                    BadVariableError(
                        f"'{name}' is given by netspec itself: {OWN[name]}", at=at, help="choose another name"
                    )
                )
            elif not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in WORDS:
                help = "letters, digits and _, no word of expressions"
                self.found.add(BadVariableError(f"no variable can be called '{name}'", at=at, help=help))
        return items

    def spend(self, number: int, at: Place) -> None:
        """Count values before they are created. Raises Stop, after an error, when they are too many."""
        self.work += number
        if self.work > MAX_WORK:
            self.too_large(self.work, 0, at)
            raise Stop

    def near(self, word: str, known: Iterable[str]) -> str | None:
        """A help line with the nearest known word; None after many mistakes, since each search takes time."""
        return None if self.found.enough else suggest(word, known)

    def variable(self, scope: Scope, name: str) -> Node:
        """The value of a variable that `scope` itself has."""
        if name in scope.given:
            return scope.given[name]
        written = scope.written[name]
        if (scope, name) in self.busy:
            names = [n for _, n in self.busy[self.busy.index((scope, name)) :]]
            text = f"variable '{name}' is given by itself: {' -> '.join([*names, name])}"
            self.found.add(BadVariableError(text, at=written.at, help="give one of them a value"))
            scope.given[name] = Wrong(None, written.at)
            return scope.given[name]
        if len(self.busy) > MAX_DEPTH:
            self.found.add(TooLargeError(f"variables that name one another more than {MAX_DEPTH} deep", at=written.at))
            raise Stop
        self.busy.append((scope, name))
        value = self.replaced(written, scope, scope.via)
        self.busy.pop()
        number, depth = self.measure(value)
        if number > MAX_VALUES or depth > MAX_DEPTH:
            self.too_large(number, depth, written.at)
            value = Wrong(None, written.at)
        scope.given.setdefault(name, value)
        return scope.given[name]

    def look_up(self, name: str, scope: Scope, at: Place) -> Node | None:
        """The value of a variable seen from `scope`."""
        holder = scope.holder(name)
        if holder is not None:
            return self.variable(holder, name)
        inside: Scope | None = scope
        while inside is not None and inside.around is None:
            inside = inside.outer
        help = None
        if inside is not None and inside.around is not None and inside.around.holder(name):
            help = (
                f"a block does not see the variables of the block around it: hand it on by `vars: {{{name}: ${name}}}`"
            )
        elif inside is not None and name == "bottom":
            help = "there is nothing above the instance that it could read"
        elif name in {"i", "bottom", "bottoms"}:
            counts = "counts the repeats of an entry that says `repeat`"
            help = f"${name} {counts if name == 'i' else 'is what an instance reads, inside its block'}"
        else:
            names = scope.names() - {"i", "bottom", "bottoms"}
            help = self.near(name, names) if names else "add it under `vars:`; write $$ for the sign itself"
        self.found.add(UnknownVariableError(f"no `vars:` gives ${name}", at=at, help=help))
        return None

    @overload
    def replaced(
        self, node: Mapping, scope: Scope, via: Place | None, how: str = ..., quiet: bool = ...
    ) -> Mapping: ...

    @overload
    def replaced(self, node: Node, scope: Scope, via: Place | None, how: str = ..., quiet: bool = ...) -> Node: ...

    def replaced(
        self, node: Node, scope: Scope, via: Place | None, how: str = "expanded from", quiet: bool = False
    ) -> Node:
        """A copy of a node with its variables replaced; its places say that `via` brought it here.

        `how` is the verb that errors show for `via`. With `quiet`, mistakes are not reported.
        """
        if quiet:
            found, self.found = self.found, Findings()
            try:
                return self.replaced(node, scope, via, how)
            finally:
                self.found = found
        if isinstance(node, Scalar):
            at = node.at.brought(via, how) if via else node.at
            if isinstance(node.value, str) and "$" in node.value:
                return self.text(node, scope, at)
            return node if via is None or isinstance(node, BlobName) else Scalar(node.value, at, node.quoted)
        self.spend(len(node.items), node.at)
        at = node.at.brought(via, how) if via else node.at
        if isinstance(node, Items):
            return Items(tuple([self.replaced(item, scope, via, how) for item in node.items]), at)
        items = {key: self.replaced(item, scope, via, how) for key, item in node.items.items()}
        return Mapping(items, {key: at.brought(via, how) for key, at in node.keys.items()} if via else node.keys, at)

    def text(self, node: Scalar, scope: Scope, at: Place) -> Node:
        """The value of a text that holds `$`; Wrong after an error.

        A text that is a single variable or expression becomes its value, of any kind; other texts stay texts.
        """
        text = str(node.value)
        parts: list[str] = []
        position, sound = 0, True
        while (start := text.find("$", position)) >= 0:
            parts.append(text[position:start])
            if text.startswith("$$", start):
                parts.append("$")
                position = start + 2
                continue
            end = self.end(text, start, node, at)
            if end is None:
                return Wrong(None, at)
            value = self.value(text[start:end], scope, node, at, start)
            if start == 0 and end == len(text):
                return value if value is not None else Wrong(None, at)
            if isinstance(value, (Items, Mapping)):
                what = f"{text[start:end]} is {describe(value)} and cannot stand inside a text"
                self.found.add(BadVariableError(what, at=_part(node, at, start, end - start)))
                value = None
            sound = sound and value is not None
            parts.append(_said(value) if isinstance(value, Scalar) else "")
            position = end
            if value is not None and start == 0 and value.at.source.folder != at.source.folder:
                at = value.at  # a path begins in the folder of the text that holds its beginning
        done = "".join([*parts, text[position:]])
        if len(done) > MAX_CHARACTERS and sound:
            help = "a spec is a short text file"
            text = f"a text of more than {MAX_CHARACTERS:,} characters once variables are replaced"
            self.found.add(TooLargeError(text, at=at, help=help))
            sound = False
        return Scalar(done, at, node.quoted) if sound else Wrong(None, at)

    def end(self, text: str, start: int, node: Scalar, at: Place) -> int | None:
        """Index after the variable or expression that begins at `start`; None after an error."""
        if text.startswith("$(", start):
            closed = closing(text, start + 1)
            if closed is not None:
                return closed + 1
            help = "close it with )"
            if not node.quoted and at.source.line(at.line)[at.column - 1 + at.length :].lstrip()[:1] in {",", "]", "}"}:
                help += ", or put it in quotes: inside {} and [] one that holds , [ ] { } needs them"
            self.found.add(
                ExpressionError(
                    "the bracket of $( is not closed", at=_part(node, at, start, len(text) - start), help=help
                )
            )
            return None
        named = _NAME.match(text, start + 1)
        if named is not None:
            return named.end()
        braced = _BRACED.match(text, start)
        help = "a variable is written $name, an expression $(width * 2), the sign itself $$"
        if braced is not None:
            rest = ", without braces" if "{" in braced[0] else "; the sign itself is $$"
            help = f"write ${braced[1]}{rest}"
        place = _part(node, at, start, len(braced[0]) if braced else 1)
        self.found.add(ExpressionError("a $ that begins no variable", at=place, help=help))
        return None

    def value(self, text: str, scope: Scope, node: Scalar, at: Place, start: int) -> Node | None:
        """The value of `$name` or `$(expression)`; None after an error."""
        if text[1] != "(":
            chosen = self.look_up(text[1:], scope, _part(node, at, start, len(text)))
            if chosen is None or isinstance(chosen, Wrong):
                return None
            return replace(chosen, at=_used(text[1:], chosen, at))

        def given(name: str, offset: int) -> Value:
            chosen = self.look_up(name, scope, _part(node, at, start + 2 + offset, len(name)))
            if chosen is None or isinstance(chosen, Wrong):
                raise _Unknown
            return self.plain(chosen)

        try:
            return self.node(evaluate(text[2:-1], given), at)
        except _Unknown:
            return None
        except Refused as wrong:
            length = wrong.length if wrong.length is not None else len(text) - 3
            place = _part(node, at, start + 2 + wrong.start, max(1, length))
            self.found.add(ExpressionError(wrong.text, at=place, help=wrong.help))
            return None

    def plain(self, node: Node) -> Value:
        """A node as a value inside expressions; a shared node is converted once."""
        if isinstance(node, Scalar):
            return FullName(node.value) if isinstance(node, BlobName) else node.value
        known = self.plains.get(id(node))
        if known is None:
            items = node.items
            if isinstance(items, dict):
                known = {key: self.plain(item) for key, item in items.items()}
            else:
                known = tuple(map(self.plain, items))
            self.plains[id(node)] = known
            self.alive.append(node)
        return known

    def node(self, value: Value, at: Place) -> Node:
        """An expression's value as a node at its place. Raises Stop, after an error, when values are too many."""
        if not isinstance(value, (tuple, dict)):
            return BlobName(str(value), at) if isinstance(value, FullName) else Scalar(value, at)
        self.spend(len(value), at)
        if isinstance(value, tuple):
            return Items(tuple([self.node(item, at) for item in value]), at)
        return Mapping({key: self.node(item, at) for key, item in value.items()}, dict.fromkeys(value, at), at)

    # --- sizes ---

    def count(self, node: Node, at: Place) -> None:
        """Count the values of a finished node. Raises Stop, after an error, when the document is too large."""
        number, depth = self.measure(node)
        self.values += number
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            self.too_large(self.values, depth, at)
            raise Stop

    def too_large(self, number: int, depth: int, at: Place) -> None:
        """Report a document that has too many values or is nested too deep."""
        what = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
        self.found.add(
            TooLargeError(f"{what} once variables and blocks are expanded", at=at, help="a spec is a short text file")
        )

    def measure(self, node: Node) -> tuple[int, int]:
        """Number of values (long texts count as several) and depth of a node; a shared node is walked once."""
        if isinstance(node, Scalar):
            return (1 + len(node.value) // 64 if isinstance(node.value, str) else 1), 0
        known = self.sizes.get(id(node))
        if known is None:
            number, depth = 1, 0
            for item in node.items.values() if isinstance(node, Mapping) else node.items:
                more, deep = self.measure(item)
                number, depth = number + more, max(depth, deep)
            known = number, depth + 1
            self.sizes[id(node)] = known
            self.alive.append(node)
        return known


class _Unknown(Exception):
    """A variable in an expression has no value; the error is reported already."""


def _said(node: Scalar) -> str:
    """A value as part of a text."""
    value: Any = node.value
    return {None: "", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)


def _used(name: str, value: Node, at: Place) -> Place:
    """Place of a variable's value where it is used: where it was written, brought in by `at`.

    For a variable that netspec sets, `at` alone.
    """
    return at if name in OWN or not isinstance(value, Scalar) else value.at.brought(at, "put into")


def _part(node: Scalar, at: Place, start: int, length: int) -> Place:
    """Place of some characters of a scalar on a single line; of a longer scalar the whole place."""
    text, begin = str(node.value), at.column + (1 if node.quoted else 0)
    if at.source.line(at.line)[begin - 1 : begin - 1 + len(text)] != text:
        return at
    return Place(at.source, at.line, begin + start, length, at.via, at.how)
