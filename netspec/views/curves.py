"""The curves of trainings in characters, below one another: what `netspec plot --text` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_letters

from netspec.core.points import Points
from netspec.core.snippet import cell_width
from netspec.core.visible import visible
from netspec.study.curves import Curves, Panel
from netspec.views.charts import BRAILLE, chart, stacked

WIDE, WIDEST, HIGH = 80, 100, 12
"""Columns where nobody says how wide a line may be, most columns of a chart, and its lines."""
_MARKERS = (BRAILLE, *"ox+*#@%&")
"""Of the lines of a run, the first of dots."""
_DOTS = "⣀⠤⠒"


def curves_text(shown: Curves, width: int | None) -> str:
    """A legend of the runs, a chart for each panel, and the notes.

    Of several runs each is drawn by a letter of its own, and quantities that share a panel have a chart each.
    """
    wide = width or WIDE
    letters = [ascii_letters[run % len(ascii_letters)] for run in range(len(shown.runs))]
    several = len(letters) > 1
    legend = [f"{letter}  {name}" for letter, name in zip(letters, shown.runs, strict=True)] if several else shown.runs
    charts = (_together if several else _alone)(shown, min(wide, WIDEST))
    best = [
        f"{f'{letters[line.run]}  ' if several else ''}best {line.name} {panel.title} {line.best[1]:.4f}, "
        f"{shown.along} {round(line.best[0], 2):,}"
        for panel in shown.panels
        for line in panel.lines
        if line.best
    ]
    ends = [*(["", *best] if best else []), *(["", *shown.notes] if shown.notes else [])]
    return stacked(wide, *map(visible, legend), *charts, *map(visible, ends))


def _alone(shown: Curves, width: int) -> Iterator[str]:
    """The charts of one run: a panel's lines together, each by a character."""
    for panel in shown.panels:
        markers = {name: _MARKERS[i % len(_MARKERS)] for i, name in enumerate(panel.names)}
        signs = [f"{_DOTS if marker == BRAILLE else marker} {name}" for name, marker in markers.items()]
        lines = [(line.points, markers[line.name]) for line in panel.lines]
        yield from _chart(panel.heading, _rows(signs, width) if len(signs) > 1 else [], lines, panel, shown, width)


def _rows(words: Sequence[str], width: int) -> list[str]:
    """Words in rows that are not wider than a width where that can be."""
    rows: list[str] = []
    for word in words:
        if rows and cell_width(f"{rows[-1]}  {word}") <= width:
            rows[-1] += f"  {word}"
        else:
            rows.append(word)
    return rows


def _together(shown: Curves, width: int) -> Iterator[str]:
    """The charts of several runs: one for each quantity."""
    for panel in shown.panels:
        for name in panel.names:
            lines = [
                (line.points, ascii_letters[line.run % len(ascii_letters)]) for line in panel.lines if line.name == name
            ]
            yield from _chart(f"{panel.title} ({name})" if name else panel.title, [], lines, panel, shown, width)


def _chart(
    heading: str, signs: Sequence[str], lines: Sequence[tuple[Points, str]], panel: Panel, shown: Curves, width: int
) -> Iterator[str]:
    """A chart below its heading and the signs of its lines."""
    yield "\n" + visible(f"{heading} by {shown.along}{', logarithmic' if panel.log else ''}")
    yield from map(visible, signs)
    from_zero = panel.kind in {"loss", "rate", "dead"}
    drawn = chart(lines, width, HIGH, "{:.4g}".format, from_zero, shown.log_x, panel.log)
    yield drawn or "no value is finite"
