"""Ways from one rate to another: exact at both ends, whatever is rounded between."""

from __future__ import annotations

from math import cos, pi


def line(start: float, end: float, part: float) -> float:
    """Between two rates on a straight line; `part` of the way is done, from 0 to 1."""
    return start * (1 - part) + end * part


def wave(start: float, end: float, part: float) -> float:
    """Between two rates on half a wave of a cosine: level at both ends; `part` of the way is done, from 0 to 1."""
    weight = (1 + cos(pi * part)) / 2
    return start * weight + end * (1 - weight)
