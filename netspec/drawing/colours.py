"""Colours of a drawing: each kind of layer has one, in a light and a dark theme; its tint lets text be read.

The hues are those of Okabe & Ito 2008, which people tell apart who do not see all colours. Words say everything too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Plain = Literal["light", "dark"]
Theme = Literal["auto", "light", "dark"]
"""Colours of a drawing; with `auto` those that the reader's screen is set to."""

_GREY = "#8a8f98"
HUES: Mapping[str, str] = {
    "data": "#56b4e9",
    "label": "#56b4e9",
    "product": "#0072b2",
    "activation": "#e69f00",
    "pooling": "#009e73",
    "normalization": "#cc79a7",
    "noise": _GREY,
    "sequence": "#6a5acd",
    "shape": _GREY,
    "arithmetic": _GREY,
    "loss": "#d55e00",
    "score": "#f0e442",
    "other": _GREY,
    "block": "#5f6b7a",
}
"""The hue of each kind of box."""


@dataclass(frozen=True)
class Paints:
    """The colours of a theme that do not depend on a kind."""

    paper: str
    ink: str
    soft: str
    line: str
    frame: str
    tint: str


PAINTS: Mapping[Plain, Paints] = {
    "light": Paints("#ffffff", "#16191d", "#565d66", "#4a515a", "#a9b1bb", "#5f6b7a"),
    "dark": Paints("#14171b", "#f2f4f6", "#c3cad2", "#aab2bc", "#4d5661", "#8c98a6"),
}
FRAME_OPACITY = 0.07
"""How much of its tint a frame lays on what is behind it."""


def fill(kind: str, theme: Plain) -> str:
    """The colour of a box."""
    return _mixed(HUES[kind], PAINTS[theme].paper, 0.2 if theme == "light" else 0.3)


def outline(kind: str, theme: Plain) -> str:
    """The colour of its outline."""
    return _mixed(HUES[kind], "#000000" if theme == "light" else "#ffffff", 0.85)


def _mixed(colour: str, other: str, share: float) -> str:
    """A colour with so much of the first, and the rest of the other."""
    pairs = zip(_numbers(colour), _numbers(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def _numbers(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
