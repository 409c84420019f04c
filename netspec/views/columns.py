"""Text in columns, for a terminal and for Markdown.

Widths are computed here, since rich's own tables are slow: they measure every cell several times.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

GAP = "  "
INDENT = " " * 12
"""Indentation of the second and later lines of a note that is wider than the terminal."""


class Columns:
    """Rows of cells under bold heads and a rule, with notes below. Columns in `right` are right-aligned numbers."""

    def __init__(
        self, heads: Sequence[str], title: str | None = None, right: Iterable[int] = (), notes: Sequence[str] = ()
    ) -> None:
        self.heads, self.title, self.right, self.notes = tuple(heads), title, frozenset(right), tuple(notes)
        self.rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """Append a row, with a cell for each head."""
        self.rows.append(tuple(cell if cell.isprintable() else _printable(cell) for cell in cells))

    def fitted(self, width: int, ranks: Sequence[int]) -> Columns:
        """A copy with as many columns as fit into `width`, by rank; columns of rank 0 are always kept."""
        widths = self._widths()
        free, kept = width + len(GAP), set()
        for column in sorted(range(len(self.heads)), key=lambda c: ranks[c]):
            needed = widths[column] + len(GAP)
            if needed <= free or ranks[column] == 0:
                free -= needed
                kept.add(column)
        order = sorted(kept)
        result = Columns(
            [self.heads[c] for c in order], self.title, (i for i, c in enumerate(order) if c in self.right), self.notes
        )
        result.rows = [tuple(cells[c] for c in order) for cells in self.rows]
        return result

    def markdown(self) -> str:
        """The table as Markdown, its notes as a list."""
        lines = [f"**{self.title}**", ""] if self.title else []
        rules = ("---:" if c in self.right else "---" for c in range(len(self.heads)))
        lines += ["| " + " | ".join(self.heads) + " |", "|" + "|".join(rules) + "|"]
        lines += [
            "| " + " | ".join(cell.replace("*", "\\*").replace("|", "\\|") for cell in cells) + " |"
            for cells in self.rows
        ]
        return "\n".join([*lines, "", *(f"- {' '.join(note.split())}" for note in self.notes)] if self.notes else lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment
        from rich.style import Style

        bold, widths = Style(bold=True), self._widths()
        if self.title:
            yield Segment(self.title, bold)
            yield Segment.line()
        yield Segment(self._line(self.heads, widths), bold)
        yield Segment(f"\n{'─' * (sum(widths) + len(GAP) * (len(widths) - 1))}\n")
        yield Segment("".join(f"{self._line(cells, widths)}\n" for cells in self.rows))
        for note in self.notes:
            for line in textwrap.wrap(
                note, options.max_width, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False
            ):
                yield Segment(f"{line}\n")

    def _widths(self) -> list[int]:
        return [max(map(_width, column)) for column in zip(self.heads, *self.rows, strict=True)]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            space = " " * (width - _width(cell))
            padded.append(space + cell if column in self.right else cell + space)
        return GAP.join(padded).rstrip()


def _width(text: str) -> int:
    """Number of terminal cells that a text occupies."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
