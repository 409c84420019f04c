"""Text for people: on one line, with nothing in it that a terminal would obey."""

from __future__ import annotations


def visible(text: str) -> str:
    """A text in which characters that cannot be seen are escapes: a line break is \\\\n, an escape \\\\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
