"""A quiz on a trace: some of its numbers are left blank, and a student computes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from netspec.core.errors import CheckFailed
from netspec.study.traced import Line, Trace

TOLERANCE = 0.005
"""Relative error of an answer that still counts as right: three digits, rounded."""
NEAR_ZERO = 5e-7
"""Error that always counts as right."""


class WrongAnswersError(CheckFailed):
    """Not every blank of a quiz was filled rightly."""

    code = "NS878"


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and otherwise what can be said of it without giving it away."""

    right: bool
    hint: str = ""


def blanks(traced: Trace, number: int) -> list[Line]:
    """The lines to ask for: so many, spread evenly over all that have arithmetic, in order."""
    lines = [line for line in computed(traced) if line.arithmetic]
    if number >= len(lines):
        return lines
    return [lines[(2 * i + 1) * len(lines) // (2 * number)] for i in range(number)]


def computed(traced: Trace) -> Iterable[Line]:
    """All lines that are computed, in order."""
    for iteration in traced.iterations:
        for batch in iteration.batches:
            for group in (*batch.forward, *batch.backward):
                yield from group.lines
        for group in iteration.updates:
            yield from group.lines


def judged(line: Line, answer: str, tolerance: float = TOLERANCE) -> Verdict:
    """The verdict on an answer."""
    value = _number(answer)
    if value is None:
        return Verdict(False, f"'{answer.strip()}' is no number")
    room = max(tolerance * abs(line.value), NEAR_ZERO)
    if abs(value - line.value) <= room:
        return Verdict(True)
    if abs(value + line.value) <= room:
        return Verdict(False, "the size is right, the sign is not")
    return Verdict(False, f"too {'large' if value > line.value else 'small'}")


def _number(answer: str) -> float | None:
    """The number of an answer, which may be a fraction, like 3/8."""
    text = answer.strip().replace(",", ".")
    parts = text.split("/")
    if len(parts) > 2 or not all(
        re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", part, re.I) for part in parts
    ):
        return None
    numbers = [float(part) for part in parts]
    if len(numbers) == 2 and not numbers[1]:
        return None
    value = numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
    return value if isfinite(value) else None
