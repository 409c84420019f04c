"""Tokens of Protocol Buffers' text format, each with its place.

The rules are those of protobuf's C++ reader, which Caffe uses: a number may be followed by a word without a space.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

from netspec.core.errors import SpecError
from netspec.core.places import Place, SourceText, line_starts
from netspec.core.visible import visible

MOST_TOKENS = 500_000


class PrototxtSyntaxError(SpecError):
    """A text is not in the text format of Protocol Buffers."""

    code = "NS702"


class PrototxtTooLargeError(SpecError):
    """A prototxt holds more values, or deeper ones, than a net needs."""

    code = "NS706"


_TOKEN = re.compile(
    r"""(?P<skip> [\s\0]+ | \#[^\n]* )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number> -?\s* (?: 0[xX][0-9A-Fa-f]+ | (?: \d+\.?\d* | \.\d+ ) (?:[eE][+-]?\d+)? [fF]? )
        | -\s* (?i:infinity|inf|nan) )
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<mark> [{}<>:,;\[\]/.] )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: a word, a number, a quoted string or a mark."""

    kind: str
    text: str
    start: int


class Tokens:
    """The tokens of a text, read from the first to the last."""

    def __init__(self, source: SourceText, via: Place | None) -> None:
        self.source, self.via = source, via
        self._starts = line_starts(source.text)
        self.all = list(self._scanned())
        self._next = 0
        self._end = Token("end", "", len(source.text))

    def _scanned(self) -> Iterator[Token]:
        text, position, found = self.source.text, 0, 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._stray(position)
            position = match.end()
            if match.lastgroup != "skip":
                found += 1
                if found > MOST_TOKENS:
                    raise PrototxtTooLargeError(f"more than {MOST_TOKENS:,} words and signs", at=self.at(match.start()))
                yield Token(match.lastgroup or "", match[0], match.start())

    def _stray(self, position: int) -> PrototxtSyntaxError:
        character = self.source.text[position]
        if character in "\"'":
            return PrototxtSyntaxError("a text that does not end on its line", at=self.at(position))
        name = f"'{character}'" if character.isprintable() else visible(character)
        return PrototxtSyntaxError(f"{name} means nothing here", at=self.at(position), help=_comment_help(character))

    def at(self, start: int, length: int = 1) -> Place:
        """The place of `length` characters from `start` on."""
        line = bisect(self._starts, start)
        return Place(self.source, line, start - self._starts[line - 1] + 1, max(1, length), self.via)

    def place(self, token: Token) -> Place:
        """The place of a token."""
        return self.at(token.start, len(token.text.split("\n")[0]))

    @property
    def token(self) -> Token:
        """The next token."""
        return self.all[self._next] if self._next < len(self.all) else self._end

    def take(self) -> Token:
        """The next token, which is behind us then."""
        token = self.token
        self._next += 1
        return token

    def taken(self, marks: str) -> str:
        """The next token's text if it is one of some marks, which is behind us then; else nothing."""
        token = self.token
        return self.take().text if token.kind == "mark" and token.text in marks else ""

    def fault(self, wanted: str) -> PrototxtSyntaxError:
        """The error that the next token is not what is wanted."""
        token = self.token
        found = "the end of the file" if token.kind == "end" else f"'{token.text}'"
        help = _comment_help(token.text) if token.text == "/" else None
        return PrototxtSyntaxError(f"found {found} where {wanted} should be", at=self.place(token), help=help)


def _comment_help(character: str) -> str | None:
    if character in "*/":
        return "a comment begins with #"
    if character in "\u201c\u201d\u2018\u2019":
        return "quotes are \" or '"
    return "it stands outside of quotes and comments" if ord(character) > 127 else None
