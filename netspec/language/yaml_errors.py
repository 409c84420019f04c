"""Errors of YAML syntax, in the terms of a user, at the line that must be changed.

The parser's own messages use its internal terms, and mostly point a line too far down.
"""

from __future__ import annotations

import re
from dataclasses import replace

from netspec.core.errors import SpecError
from netspec.core.places import Place


class SyntaxMistake(SpecError):
    """The text is not YAML."""

    code = "NS102"


def explain(problem: str, context: str, at: Place, opened: Place) -> SyntaxMistake:
    """The error for libyaml's message `problem`, raised at `at` in the `context` that began at `opened`."""
    line = at.source.line(at.line)
    if tab := re.match(r"[ -]*\t", line):
        return SyntaxMistake("a tab in the indentation", at=replace(at, column=tab.end()), help="indent with spaces")
    if "quoted scalar" in context and ("end of stream" in problem or "document" in problem):
        return SyntaxMistake(
            "the quote that opens here is not closed", at=opened, help="text that begins with a quote ends with one"
        )
    if "simple key" in context:
        return _no_pair(opened)
    if "mapping values are not allowed" in problem:
        help = "quote a text that holds ': ', or check the indentation of this line and of those around it"
        return SyntaxMistake("no `key: value` can stand here", at=at, help=help)
    if "block sequence entries" in problem:
        return SyntaxMistake("no list can begin here", at=at, help="begin it on the next line, or write [a, b]")
    if "cannot start any token" in problem and at.column <= len(line):
        help = "quote a text that begins with one of @ ` % | >"
        return SyntaxMistake(f"a value cannot begin with {line[at.column - 1]}", at=at, help=help)
    if "unexpected ':'" in problem:
        return SyntaxMistake(
            "a space, or a value, is missing after a ':'", at=at, help="a pair is `key: value`; nothing is written ~"
        )
    if "escape character" in problem:
        return SyntaxMistake(
            "this backslash begins no escape that YAML knows", at=at, help="in single quotes a backslash is itself"
        )
    if "flow" in context and "did not find expected ','" in problem:
        return _unclosed(problem[-3:].strip("'"), at, opened)
    if "parsing a block" in context and re.search("expected (key|'-')", problem):
        return _misfit(at, opened)
    return SyntaxMistake(f"this is not YAML: {problem}", at=at)


def _no_pair(opened: Place) -> SyntaxMistake:
    """The error for a line that should be `key: value`."""
    line = opened.source.line(opened.line)
    help = "a line is `key: value` or `- value`"
    if ":" in line:
        help = "a space is missing after the ':'"
    return SyntaxMistake(
        "this line is no `key: value`",
        at=replace(opened, length=max(1, len(line.rstrip()) - opened.column + 1)),
        help=help,
    )


def _unclosed(bracket: str, at: Place, opened: Place) -> SyntaxMistake:
    """The error for a missing comma or closing bracket in a list or mapping in brackets."""
    line = at.source.line(at.line)
    if line[at.column - 2 : at.column] == "${":
        name = re.match(r"\{\s*(\w+)\s*\}", line[at.column - 1 :])
        help = f"write ${name[1] if name else 'name'}, without braces"
        return SyntaxMistake(
            "this is not YAML: a brace after $", at=replace(at, length=len(name[0]) if name else 1), help=help
        )
    help = f"a comma is missing, or the {bracket} that closes it"
    if re.search(r"\$\([^)]*$", line[: at.column - 1]):
        help = "put the expression in quotes: inside {} and [] one that holds , [ ] { } needs them"
    related = [(f"the {'{' if bracket == '}' else '['} was opened here:", opened)] if opened.line != at.line else []
    return SyntaxMistake(f"expected ',' or '{bracket}'", at=at, help=help, related=related)


def _misfit(at: Place, opened: Place) -> SyntaxMistake:
    """The error for a line whose indentation fits no block, or for text after the end of a value."""
    line = at.source.line(at.line)
    if at.column > len(line) - len(line.lstrip()) + 1:
        return SyntaxMistake(
            "a value ends before this", at=at, help="put a comma, a line break or quotes around the whole value"
        )
    related = [("the block begins here:", opened)] if opened.line != at.line else []
    help = "check its indentation against the lines above"
    return SyntaxMistake("this line does not fit the block it stands in", at=at, help=help, related=related)
