"""Predicted numbers over their targets, in a page: a drawing of points for each output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.report.page import part

if TYPE_CHECKING:
    from markupsafe import Markup

_SIDE = 240
"""The side of a drawing."""

Pair = Sequence[float]
"""A target and a prediction."""


class Cloud(NamedTuple):
    """The points of an output in a square: where they lie, the least and the greatest number, and their residuals."""

    name: str
    points: list[tuple[float, float]]
    least: str
    greatest: str
    residuals: str


def scatter(head: Mapping[str, Any]) -> Markup | None:
    """The points of a head's outputs; None of one that has none."""
    pairs: Sequence[Sequence[Pair]] = [each for each in head.get("points") or () if each]
    if not pairs:
        return None
    names = head["classes"] or [f"output {number}" for number in range(head["size"])]
    clouds = [_cloud(name, each) for name, each in zip(names, pairs, strict=False)]
    return part("scatter", clouds=clouds, side=_SIDE, samples=len(pairs[0]))


def _cloud(name: str, pairs: Sequence[Pair]) -> Cloud:
    values = [value for pair in pairs for value in pair]
    least, greatest = min(values), max(values)
    span = (greatest - least) or 1.0

    def place(value: float) -> float:
        return round((value - least) / span * _SIDE, 1)

    apart = sorted(prediction - target for target, prediction in pairs)
    edge = (len(apart) - 1) * 0.05
    low, high = apart[math.floor(edge)], apart[math.ceil(len(apart) - 1 - edge)]
    residuals = (
        f"prediction less target: mean {math.fsum(apart) / len(apart):.3g}, nine of ten in {low:.3g} to {high:.3g}"
    )
    points = [(place(target), round(_SIDE - place(prediction), 1)) for target, prediction in pairs]
    return Cloud(name, points, f"{least:.4g}", f"{greatest:.4g}", residuals)
