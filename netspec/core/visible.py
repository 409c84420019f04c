"""Text for people: on one line, with nothing in it that a terminal would obey."""

from __future__ import annotations


def visible(text: str) -> str:
    """A text in which characters that cannot be seen are escapes: a line break is \\\\n, an escape \\\\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, longest: int) -> str:
    """A text without its middle where it is too long."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[-half:]}"
