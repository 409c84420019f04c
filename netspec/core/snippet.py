"""Texts in a width of terminal cells: a line of source with carets under a word of it, and folded sentences."""

from __future__ import annotations

WIDEST = 160
"""Width of a snippet where none is given: very long lines are cut."""

_NARROWEST = 12
_TAB = 4


def snippet(line: str, column: int, length: int, width: int | None = None) -> tuple[str, str]:
    """The part of a line around `length` characters from `column` (counted from 1), and carets that stand under them.

    A wide character (East Asian, emoji) takes two cells, a combining one none; tabs become spaces, and what cannot be
    printed a replacement character. Where the line is wider than `width`, an ellipsis stands for what was cut.
    """
    room, start = max(_NARROWEST, width or WIDEST), column - 1
    end, far = start + length, 4 * room  # no more is looked at: a line may have millions of characters
    around = line[max(0, start - far) : start], line[end : end + far]
    before, after = map(_visible, around)
    before, marked, after = _cut(before, _visible(line[start:end][:far]), after, room)
    return before + marked + after, " " * cell_width(before) + "^" * max(1, cell_width(marked))


def cell_width(text: str) -> int:
    """Number of terminal cells that a text occupies."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def folded(text: str, width: int, indent: str) -> list[str]:
    """The lines of a text, broken between words so that they fit into `width`, all but the first indented.

    Spaces at the beginning stay; a word wider than a line is left whole.
    """
    first, *words = text.lstrip(" ").split(" ")
    lines = [" " * (len(text) - len(text.lstrip(" "))) + first]
    for word in words:
        if cell_width(lines[-1]) + 1 + cell_width(word) > width:
            lines.append(indent + word)
        else:
            lines[-1] += " " + word
    return lines


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text.expandtabs(_TAB))


def _cut(before: str, marked: str, after: str, width: int) -> tuple[str, str, str]:
    """The three parts of a line, cut so that together they fit into `width`; the marked one may take three quarters."""
    if cell_width(before + marked + after) <= width:
        return before, marked, after
    inside = min(cell_width(marked), width * 3 // 4)
    free = width - inside
    right = min(cell_width(after), max(free // 2, free - cell_width(before)))
    left = free - right
    if cell_width(before) > left:
        before = "…" + _head(before[::-1], left - 1)[::-1]
    if cell_width(marked + after) > inside + right:
        marked = _head(marked, inside + right - 1)
        after = _head(after, inside + right - 1 - cell_width(marked)) + "…"
    return before, marked, after


def _head(text: str, width: int) -> str:
    """The longest beginning of a text that fits into `width`."""
    text = text[: max(0, width)]  # no character is narrower than a cell, but for combining ones
    while text and cell_width(text) > width:
        text = text[:-1]
    return text
