"""Palette: the colours of all pictures, which colour-blind people tell apart, with markers and dashes beside them.

A line is known by its colour, by its marker and by its dashes, so that a picture without colours can be read too.

Source: Okabe & Ito 2002, "Color Universal Design". Its black and its yellow are left out: on a dark or on a white page
they cannot be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#7F7F7F"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""In matplotlib's words; one more than colours, so that only 56 lines later both are the same again."""
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))
"""Lengths of strokes and gaps in line widths; the first is a solid line."""


@dataclass(frozen=True)
class Style:
    """How a line or a class of points looks."""

    color: str
    marker: str
    dashes: tuple[float, ...]
    filled: bool
    """Whether markers are filled; those of colours that are used again are hollow."""


def style(index: int) -> Style:
    """The style of the line or class of a number, counted from 0."""
    again = index // len(COLORS)
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    return Style(color, marker, DASHES[again % len(DASHES)], again % 2 == 0)
