"""Axes made anew, each value a weighted sum of old ones: enlarging and shrinking images, and padding by reflection.

A `Rule` says for each new position which old ones it is made of, and with what weights. The gradient is made by the
transposed rule, in the same way. kernels/resampling.py runs up to three axes at once. Weights reach it as whole numbers
of 2^-52.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from netspec.codegen.geometry import GRAIN, MOST_PARTS, Solid, Taps
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, count
from netspec.lowering.layout import memory_order

if TYPE_CHECKING:
    from netspec.core.calls import Array

UNIT = 2**52
ANY_LAYOUT = ("NHWC", "NCHW")

Rule = tuple[tuple[tuple[int, float], ...], ...]
"""For each new position its taps: (old position, weight)."""


def nearest(size: int, new: int, step: float) -> Rule:
    """The old value at or before each new position; neighbours lie `step` old positions apart."""
    return tuple(((min(floor(i * step), size - 1), 1.0),) for i in range(new))


def linear(size: int, new: int, step: float, align: bool) -> Rule:
    """A mean of the two old values around each new position, weighted by nearness."""
    rule = []
    for i in range(new):
        at = min(max(_source(i, step, align), 0.0), float(size - 1))
        low = floor(at)
        rule.append(_taps([(low, 1 - (at - low)), (low + 1, at - low)], size))
    return tuple(rule)


def cubic(size: int, new: int, step: float, align: bool) -> Rule:
    """Four old values around each new position, by Keys' kernel with a = -0.75; the ends of the axis are repeated."""
    rule = []
    for i in range(new):
        at = _source(i, step, align)
        low = floor(at)
        rule.append(_taps([(place, _keys(abs(at - place))) for place in range(low - 1, low + 3)], size))
    return tuple(rule)


def _source(i: int, step: float, align: bool) -> float:
    """Where a new position lies on the old axis: the ends of both are the same with `align`, else their outer edges."""
    return i * step if align else (i + 0.5) * step - 0.5


def _keys(far: float, a: float = -0.75) -> float:
    """Keys' cubic kernel (1981), for distances up to 2."""
    if far <= 1:
        return ((a + 2) * far - (a + 3)) * far * far + 1
    return ((a * far - 5 * a) * far + 8 * a) * far - 4 * a if far < 2 else 0.0


def _taps(taps: Sequence[tuple[int, float]], size: int) -> tuple[tuple[int, float], ...]:
    """Taps with places beyond the ends moved to the ends, one for each place, without those of weight 0."""
    found: dict[int, float] = {}
    for place, weight in taps:
        inside = min(max(place, 0), size - 1)
        found[inside] = found.get(inside, 0.0) + weight
    return tuple((place, weight) for place, weight in found.items() if weight)


def padded(size: int, before: int, after: int, reflect: bool) -> Rule:
    """The old axis with values put before and behind it: mirrored at its ends, or its ends repeated."""
    rule = []
    for i in range(-before, size + after):
        inside = (abs(i) if i < size else 2 * (size - 1) - i) if reflect else min(max(i, 0), size - 1)
        rule.append(((inside, 1.0),))
    return tuple(rule)


def kept(size: int) -> Rule:
    """The old axis itself."""
    return padded(size, 0, 0, False)


def transposed(rule: Rule, size: int) -> Rule:
    """The rule of the gradient: for each of `size` old positions the new ones it is in."""
    taps: list[list[tuple[int, float]]] = [[] for _ in range(size)]
    for i, each in enumerate(rule):
        for place, weight in each:
            taps[place].append((i, weight))
    return tuple(map(tuple, taps))


MOST_EVEN = 16
"""Taps of a column, at most, that all columns are given where single values are summed."""


def levelled(rule: Rule) -> Rule:
    """A rule whose positions all have as many taps, 1 or an even number; empty where some have none, or too many.

    The last tap of a position is halved, and the half repeated, until there are enough: no sum changes by a bit.
    """
    most = max(map(len, rule))
    if not all(rule) or most > MOST_EVEN:
        return ()
    number, even = most + (most % 2 if most > 1 else 0), []
    for taps in rule:
        whole = list(taps)
        while len(whole) < number:
            place, weight = whole.pop()
            whole += [(place, weight / 2)] * 2
        even.append(tuple(whole))
    return tuple(even)


class Resampled(NamedTuple):
    """A blob whose axes from `axis` on, at most three, are made anew by a rule each."""

    bottom: Shape
    axis: int
    rules: tuple[Rule, ...]

    @property
    def top(self) -> Shape:
        """The shape of the new blob."""
        return (*self.bottom[: self.axis], *map(len, self.rules))

    def spaces(self) -> dict[str, Workspace]:
        """A line of old values for each part, and the weights of all axes."""
        cuts = [_cut(shape, self.axis, layout) for shape in (self.bottom, self.top) for layout in ANY_LAYOUT]
        line = max(sizes[-1] * inner for _, _, sizes, inner in cuts)
        weights = [sum(len(taps) for rule in _three(rules) for taps in rule) for rules in self._both(levelled)]
        return {"lines": Workspace((self._parts, line)), "weights": Workspace((max(weights),))}

    def _both(self, change: Callable[[Rule], Rule]) -> Iterator[tuple[Rule, ...]]:
        """The rules and their transposes, each as it is or, where that is more, changed."""
        for rules in (self.rules, self._back()):
            yield tuple(max(rule, change(rule), key=lambda one: sum(map(len, one))) for rule in rules)

    def _back(self) -> tuple[Rule, ...]:
        """The rules of the gradient."""
        return tuple(map(transposed, self.rules, self.bottom[self.axis :]))

    @property
    def _parts(self) -> int:
        return max(1, min(MOST_PARTS, max(count(self.bottom), count(self.top)) // GRAIN))

    def forward(self, run: Run) -> Calls:
        """Make the top of the bottom."""
        yield from self._made(run, run.bottom[0], run.top[0], self.bottom, self.rules)

    def backward(self, run: Run) -> Calls:
        """Make the bottom's diff of the top's."""
        if run.bottom_diff[0] is not None:
            yield from self._made(run, run.top_diff[0], run.bottom_diff[0], self.top, self._back())

    def _made(self, run: Run, x: Array, y: Array, shape: Shape, rules: tuple[Rule, ...]) -> Calls:
        """y made of x, an array of a blob of this shape."""
        import numpy as np

        from netspec.kernels import resampling

        outer, axes, sizes, inner = _cut(shape, self.axis, run.layout)
        *others, columns = _three(tuple(rules[axis - self.axis] for axis in axes))
        copied = longest_run(columns)
        single = levelled(columns) if inner == 1 and not copied[0] else ()
        listed = [[tap for taps in rule for tap in taps] for rule in others]
        listed.append([tap for taps in (zip(*single, strict=True) if single else columns) for tap in taps])
        weights, taps, start = run.workspace["weights"], [], 0
        for rule, each in zip((*others, columns), listed, strict=True):
            begin = np.array([0, *accumulate(map(len, rule))], np.int64)
            place = np.array([place for place, _ in each], np.int64)
            taps.append(Taps(begin, place, weights[start : start + len(each)]))
            start += len(each)
        units = np.array([round(weight * UNIT) for each in listed for _, weight in each], np.int64)
        yield Call(resampling.weigh, units, weights[:start], parts=1)
        lines, (depth, tall, wide) = run.workspace["lines"], sizes
        old = Solid(outer, depth, tall, wide, inner, len(single[0]) if single else 0, *copied)
        yield Call(resampling.resample, x, y, lines, old, *taps, parts=len(lines))


def longest_run(rule: Rule) -> tuple[int, int, int]:
    """The longest run of positions that are old ones side by side: how many, and the first new and old position.

    Nothing where it is not most of the axis.
    """
    best, first = (0, 0, 0), 0
    for i, taps in enumerate(rule):
        before = rule[i - 1] if i > first else ()
        follows = len(taps) == 1 and taps[0][1] == 1 and (not before or taps[0][0] == before[0][0] + 1)
        if not follows:
            first = i + (len(taps) != 1 or taps[0][1] != 1)
        if i >= first:
            best = max(best, (i - first + 1, first, rule[first][0][0]), key=lambda run: run[0])
    return best if 2 * best[0] > len(rule) else (0, 0, 0)


def _cut(shape: Shape, axis: int, layout: str) -> tuple[int, list[int], list[int], int]:
    """How a blob lies around its axes from `axis` on: (values of the axes before, those axes, their lengths as three,
    values of the axes behind), all in the order of memory.
    """
    order = memory_order(len(shape), layout)
    axes = [one for one in order if one >= axis]
    first = order.index(axes[0])
    sizes = [1] * (3 - len(axes)) + [shape[one] for one in axes]
    return (
        count(shape[one] for one in order[:first]),
        axes,
        sizes,
        count(shape[one] for one in order[first + len(axes) :]),
    )


def _three(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules of three axes, of which the first may be 1 long."""
    return (kept(1),) * (3 - len(rules)) + rules
