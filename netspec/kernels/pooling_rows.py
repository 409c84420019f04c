"""The innermost loops of pooling: windows or pixels that are alike, side by side, vector by vector.

What backward writes is written past the caches where it is `far`, as in `Row.stream`.

Where a body takes the factors and constants of a lens, the plain one leaves them alone, and `..._seen` sees x so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from netspec.codegen.rows import Real, Row, Variable, Whole, rows, times


class Walk(NamedTuple):
    """The extent of a loop: for each of `number` windows that are alike, the tall x wide pixels inside it.

    In backward, for each of `number` pixels, the tall x wide windows that hold it. Whole numbers, in kernels and in the
    bodies of `rows`.
    """

    number: Any  # windows (or pixels)
    tall: Any  # rows of each
    wide: Any  # columns of each
    down: Any  # values from one row to the next
    right: Any  # values from one column to the next
    step: Any  # values from one window (or pixel) to the next, in the image


Look = Callable[[Any], Real]
"""What a body sees at an offset."""


def through(x: Row, factor: Row, offset: Row, low: Real) -> Look:
    """What a body sees of x through a lens."""
    slope, shift = factor.get(), offset.get()

    def look(at: Whole) -> Real:
        value = x.get(at) * slope + shift
        return low.where(value < low, value)

    return look


@rows(group=2, again=True)
def maximum(
    x: Row, factor: Row, offset: Row, y: Row, mask: Row, low: Real, walk: Walk, first: Whole, fw: Whole
) -> None:
    """y = the maximum of each window, mask = its place; places count from `first` on, and the window is `fw` wide."""
    find_maximum(x.get, y, mask, walk, first, fw)


@rows(group=2, again=True)
def maximum_seen(
    x: Row, factor: Row, offset: Row, y: Row, mask: Row, low: Real, walk: Walk, first: Whole, fw: Whole
) -> None:
    """Like `maximum`, with x seen through a lens."""
    find_maximum(through(x, factor, offset, low), y, mask, walk, first, fw)


def find_maximum(look: Look, y: Row, mask: Row, walk: Walk, first: Whole, fw: Whole) -> None:
    """The body of `maximum`."""
    for k in times(walk.number):
        at, to = k * walk.step, k * walk.right
        best, place = Variable(look(at)), Variable(first.spread(mask))
        for i in times(walk.tall):
            for j in times(walk.wide):
                value, now = look(at + i * walk.down + j * walk.right), best.get()
                more = (value > now) | value.is_nan()
                best.set(value.where(more, now))
                place.set((first + i * fw + j).spread(mask).where(more, place.get()))
        y.put(best.get(), to)
        mask.put(place.get(), to)


@rows(again=True)
def maximum_only(x: Row, factor: Row, offset: Row, y: Row, low: Real, walk: Walk) -> None:
    """y = the maximum of each window."""
    find_maximum_only(x.get, y, walk)


@rows(again=True)
def maximum_only_seen(x: Row, factor: Row, offset: Row, y: Row, low: Real, walk: Walk) -> None:
    """Like `maximum_only`, with x seen through a lens."""
    find_maximum_only(through(x, factor, offset, low), y, walk)


def find_maximum_only(look: Look, y: Row, walk: Walk) -> None:
    """The body of `maximum_only`."""
    for k in times(walk.number):
        at = k * walk.step
        best = Variable(look(at))
        for i in times(walk.tall):
            for j in times(walk.wide):
                value, now = look(at + i * walk.down + j * walk.right), best.get()
                best.set(value.where((value > now) | value.is_nan(), now))
        y.put(best.get(), k * walk.right)


@rows(group=2, again=True)
def gather(dy: Row, mask: Row, dx: Row, walk: Walk, place: Whole, up: Whole, left: Whole, far: Whole) -> None:
    """dx = for each pixel the sum of dy over those windows that chose it.

    The pixel's place in its first window is `place`; in the next windows it is `up` less by rows, `left` less by
    columns.
    """
    for k in times(walk.number):
        total = Variable(dx.fill(0))
        for i in times(walk.tall):
            for j in times(walk.wide):
                at = i * walk.down + (j + k) * walk.right
                mine = mask.get(at).equals((place - i * up - j * left).spread(mask))
                total.set(total.get() + dy.get(at).where(mine, 0))
        dx.stream(total.get(), k * walk.step, far)


@rows(again=True)
def scatter(dy: Row, mask: Row, dx: Row, walk: Walk, top: Whole, left: Whole, fh: Whole, fw: Whole, far: Whole) -> None:
    """dx = dy where a window chose the pixel, else 0, for the pixels from (top, left) of each window on.

    Pixels from (fh, fw) on lie in no window.
    """
    for k in times(walk.number):
        value, place = dy.get(k * walk.right), mask.get(k * walk.right)
        for i in times(walk.tall):
            for j in times(walk.wide):
                u, v = top + i, left + j
                mine = place.equals((u * fw + v).where(u < fh, -1).where(v < fw, -1).spread(mask))
                dx.stream(value.where(mine, 0), k * walk.step + i * walk.down + j * walk.right, far)


@rows(group=2, again=True)
def mean(x: Row, factor: Row, offset: Row, y: Row, low: Real, walk: Walk, area: Whole) -> None:
    """y = the sum of each window over `area`; rows are summed first, so that little is rounded."""
    find_mean(x.get, y, walk, area)


@rows(group=2, again=True)
def mean_seen(x: Row, factor: Row, offset: Row, y: Row, low: Real, walk: Walk, area: Whole) -> None:
    """Like `mean`, with x seen through a lens."""
    find_mean(through(x, factor, offset, low), y, walk, area)


def find_mean(look: Look, y: Row, walk: Walk, area: Whole) -> None:
    """The body of `mean`."""
    for k in times(walk.number):
        total = Variable(y.fill(0))
        for i in times(walk.tall):
            line = Variable(y.fill(0))
            for j in times(walk.wide):
                line.set(line.get() + look(k * walk.step + i * walk.down + j * walk.right))
            total.set(total.get() + line.get())
        y.put(total.get() * area.share().spread(y), k * walk.right)


@rows(again=True)
def spread(
    dy: Row, dx: Row, walk: Walk, top: Whole, left: Whole, fh: Whole, fw: Whole, area: Whole, far: Whole
) -> None:
    """dx = dy over `area` for the pixels from (top, left) of each window on; from (fh, fw) on they lie in no window."""
    for k in times(walk.number):
        value = dy.get(k * walk.right) * area.share().spread(dy)
        for i in times(walk.tall):
            for j in times(walk.wide):
                outside = (top + i >= fh) | (left + j >= fw)
                dx.stream(value.cleared(outside), k * walk.step + i * walk.down + j * walk.right, far)


@rows(group=2, again=True)
def share(
    dy: Row, dx: Row, walk: Walk, fh: Whole, fw: Whole, sh: Whole, sw: Whole, below: Whole, beside: Whole, far: Whole
) -> None:
    """dx = for each pixel the sum of dy over the windows that hold it, each divided by the window's area.

    Windows are fh x fw large and begin sh and sw apart; the padded image has `below` rows and `beside` columns from the
    start of the first window on.
    """
    for k in times(walk.number):
        total = Variable(dx.fill(0))
        for i in times(walk.tall):
            height = (below - i * sh).minimum(fh)
            for j in times(walk.wide):
                area = height * (beside - (j + k) * sw).minimum(fw)
                total.set(total.get() + dy.get(i * walk.down + (j + k) * walk.right) * area.share().spread(dy))
        dx.stream(total.get(), k * walk.step, far)
