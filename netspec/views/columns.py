"""Text in columns, for a terminal and for Markdown.

Widths are computed here, since rich's own tables are slow: they measure every cell several times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from netspec.core.snippet import cell_width, folded
from netspec.core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

GAP = "  "
INDENT = " " * 12
"""Indentation of the second and later lines of a note that is wider than the terminal."""


UNDER = " " * 4
"""Indentation of the second line of a row."""


class Columns:
    """Rows of cells under bold heads and a rule, with notes below. Columns in `right` are right-aligned numbers.

    `under` holds, for each row, the text of a second line; most have none.
    """

    def __init__(
        self, heads: Sequence[str], title: str | None = None, right: Iterable[int] = (), notes: Sequence[str] = ()
    ) -> None:
        self.heads, self.title, self.right, self.notes = tuple(heads), title, frozenset(right), tuple(notes)
        self.rows: list[tuple[str, ...]] = []
        self.under: list[str] = []

    def add_row(self, *cells: str) -> None:
        """Append a row, with a cell for each head."""
        self.under.append("")
        self.rows.append(tuple(map(visible, cells)))

    def fitted(self, width: int, ranks: Sequence[int], labels: Mapping[int, str] = MappingProxyType({})) -> Columns:
        """A copy with as many columns as fit into `width`, by rank; columns of rank 0 are always kept.

        Of the columns that do not fit, those with a label stand in a second line under their row.
        """
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
        below = [(column, label) for column, label in labels.items() if column not in kept]
        result.under = [
            "; ".join(f"{label} {cells[column]}" for column, label in below if cells[column]) for cells in self.rows
        ]
        return result

    def markdown(self) -> str:
        """The table as Markdown, its notes as a list."""
        lines = [f"**{_escaped(visible(self.title))}**", ""] if self.title else []
        rules = ("---:" if c in self.right else "---" for c in range(len(self.heads)))
        lines += ["| " + " | ".join(self.heads) + " |", "|" + "|".join(rules) + "|"]
        lines += ["| " + " | ".join(map(_escaped, cells)) + " |" for cells in self.rows]
        return "\n".join([*lines, "", *(f"- {' '.join(note.split())}" for note in self.notes)] if self.notes else lines)

    def html(self) -> str:
        """The table as HTML that needs nothing else, its notes below."""
        from html import escape

        def cells(tag: str, words: Iterable[str]) -> str:
            sides = ("right" if column in self.right else "left" for column in range(len(self.heads)))
            styled = zip(words, sides, strict=True)
            return "".join(f'<{tag} style="text-align: {side}">{escape(word)}</{tag}>' for word, side in styled)

        caption = [f"<caption><b>{escape(visible(self.title))}</b></caption>"] if self.title else []
        lines = ["<table>", *caption, f"<thead><tr>{cells('th', self.heads)}</tr></thead>", "<tbody>"]
        lines += [f"<tr>{cells('td', row)}</tr>" for row in self.rows]
        notes = "\n".join(escape(note) for note in self.notes)
        return "\n".join([*lines, "</tbody>", "</table>", *([f"<pre>{notes}</pre>"] if notes else [])])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment
        from rich.style import Style

        bold, widths = Style(bold=True), self._widths()
        if self.title:
            yield Segment(visible(self.title), bold)
            yield Segment.line()
        yield Segment(self._line(self.heads, widths), bold)
        yield Segment(f"\n{'─' * (sum(widths) + len(GAP) * (len(widths) - 1))}\n")
        for cells, under in zip(self.rows, self.under, strict=True):
            yield Segment(f"{self._line(cells, widths)}\n")
            for line in folded(UNDER + under, options.max_width, UNDER * 2) if under else ():
                yield Segment(f"{line}\n", Style(dim=True))
        for note in self.notes:
            for line in folded(note, options.max_width, INDENT):
                yield Segment(f"{line}\n")

    def _widths(self) -> list[int]:
        return [max(map(cell_width, column)) for column in zip(self.heads, *self.rows, strict=True)]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            space = " " * (width - cell_width(cell))
            padded.append(space + cell if column in self.right else cell + space)
        return GAP.join(padded).rstrip()


_MARKS = re.compile(r"[\\*|`~<&\[\]]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as more than a character; an underscore within a word is none of it."""


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", text)
