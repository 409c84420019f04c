"""Slopes of a layer's forward along lines through one of its blobs, and what is at a kink there.

A kink is known by forward values alone, top value by top value: where a top is smooth, its second difference falls to a
quarter when the step is halved, twice in a row. Along a direction, tops at a kink do not count, and their diffs must be
0 when backward runs; at a single element the slope is tried with smaller steps, and is then no slope. So no wrong
gradient can hide behind a kink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.engine.alone import Alone

if TYPE_CHECKING:
    from netspec.core.calls import Array

ROUNDING = 32 * 2.0**-52
"""Relative size of the rounding errors that a layer's top may have."""
SHRINKS = (1.0, 1 / 16, 1 / 256)
"""Factors on the step, tried in turn where a point is near a kink or bends too much."""


@dataclass(frozen=True)
class Asked:
    """Settings of a check: the seed of values and samples, the step, elements of a blob to compare, the limit.

    The step is relative to a blob's root mean square.
    """

    seed: int = 1
    step: float = 1e-4
    samples: int = 20
    limit: float = 1e-5


class Target(NamedTuple):
    """A blob of a layer whose gradient is compared: a bottom or a param, its name, its values and its diff."""

    what: str
    name: str
    values: Array
    diff: Array


class Line(NamedTuple):
    """A direction through a blob: u of the elements at `index`, 0 elsewhere."""

    index: Any
    u: Any


class Change(NamedTuple):
    """What a step along a line does to a top, value by value: slope, second difference, and rounding error of it."""

    slope: Array
    bend: Array
    rounding: Array


class Slope(NamedTuple):
    """A slope found by forward: its value, the size of its rounding error, and by top the values at a kink.

    `lost`: there is none, since the function bends too much or is not finite.
    """

    value: float
    noise: float
    kinked: tuple[Array, ...]
    lost: bool = False

    @property
    def kinks(self) -> int:
        """How many top values are at a kink."""
        return sum(int(mask.sum()) for mask in self.kinked)


class Slopes:
    """Slopes of sum(top * v) along lines that begin at a target's values, by forward and by backward.

    `finite`: all top values are numbers there.
    """

    def __init__(self, alone: Alone, target: Target, v: Sequence[Array], asked: Asked) -> None:
        import numpy as np

        self.alone, self.target, self.limit = alone, target, asked.limit
        others = [np.zeros(one.shape) for one in v[1:]] if alone.layer.is_loss else v[1:]  # they have no gradient
        self.v = [*v[:1], *others]
        self.start = target.values.copy()
        self.step = asked.step * (float(np.mean(np.square(self.start))) ** 0.5 or 1.0)
        self.base = self.at(Line((), 0.0), 0.0)
        self.finite = all(bool(np.isfinite(top).all()) for top in self.base)

    def at(self, line: Line, t: float) -> list[Array]:
        """The tops where the target is t * u away from its start."""
        values = self.target.values
        values[line.index] = self.start[line.index] + t * line.u
        self.alone.forward()
        values[line.index] = self.start[line.index]
        return [top.copy() for top in self.alone.top]

    def backward(self, v: Sequence[Array]) -> Array:
        """The gradient of sum(top * v) at the start, by the layer's backward."""
        self.at(Line((), 0.0), 0.0)
        for diff, values in zip(self.alone.top_diff, v, strict=True):
            diff[...] = values
        self.alone.backward()
        return self.target.diff.copy()

    def along(self, line: Line, single: bool = False) -> Slope:
        """The slope along a line; of a `single` element also with smaller steps, until no top is at a kink."""
        for shrink in SHRINKS:
            slope = self._by(line, self.step * shrink)
            if not slope.lost and not (single and slope.kinks):
                break
        return slope

    def _by(self, line: Line, h: float) -> Slope:
        """The slope along a line by central differences of a step."""
        import numpy as np

        changes = self._changes(line, h)
        pairs = [*zip(changes, self.v, strict=True)]
        noise = sum(float(np.sum(np.square(c.rounding * v))) for c, v in pairs) ** 0.5 / h
        size = sum(float(np.sum(np.abs(c.slope * v))) for c, v in pairs)
        bend = sum(float(np.sum(np.abs(c.bend * v))) for c, v in pairs) / (2 * h)
        if not bend <= 0.01 * self.limit * size + noise:
            return self._bent(line, h, changes)
        nothing = tuple(np.zeros(v.shape, bool) for v in self.v)
        return Slope(sum(float(np.sum(c.slope * v)) for c, v in pairs), noise, nothing)

    def _bent(self, line: Line, h: float, changes: list[Change]) -> Slope:
        """The slope where some top bends along a line: without tops at a kink, and extrapolated to a step of 0."""
        import numpy as np

        kinked, first, second, noise = [], 0.0, 0.0, 0.0
        steps = zip(changes, self._changes(line, h / 2), self._changes(line, h / 4), self.v, strict=True)
        for whole, half, quarter, v in steps:
            allowed = 16 * whole.rounding
            smooth = np.abs(whole.bend - 4 * half.bend) <= 0.1 * np.abs(whole.bend) + allowed
            smooth &= np.abs(half.bend - 4 * quarter.bend) <= 0.1 * np.abs(half.bend) + allowed
            kinked.append(~smooth & (v != 0))
            kept = np.where(smooth, v, 0)
            first += float(np.sum(np.where(smooth, (4 * half.slope - whole.slope) / 3, 0) * kept))
            second += float(np.sum(np.where(smooth, (4 * quarter.slope - half.slope) / 3, 0) * kept))
            noise += float(np.sum(np.square(np.where(smooth, whole.rounding, 0) * kept)))
        noise = 8 * noise**0.5 / h
        lost = not abs(first - second) <= 0.1 * self.limit * abs(second) + noise
        return Slope(second, noise, tuple(kinked), lost)

    def _changes(self, line: Line, h: float) -> list[Change]:
        """How each top changes along a line; values that do not move have no slope, even if they are NaN."""
        import numpy as np

        found = []
        for high, base, low in zip(self.at(line, h), self.base, self.at(line, -h), strict=True):
            still = ((high == base) & (low == base)) | (np.isnan(high) & np.isnan(base) & np.isnan(low))
            parts = ((high - low) / (2 * h), high - 2 * base + low, ROUNDING * (np.abs(high) + np.abs(low)))
            found.append(Change(*(np.where(still, 0, part) for part in parts)))
        return found
