"""Pooling over windows of N x H x W x C images, channels last. A part owns whole rows of the array it writes.

Letters: x (N, H, W, C), y (N, P, Q, C). Windows are clipped to the image; none lies wholly outside it. A place of a
window is its row times `fw` plus its column, clipped or not. Backward gathers: each pixel looks at the windows that
hold it. Source: Caffe pooling_layer.cpp.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

from netspec.codegen.geometry import PoolWindow
from netspec.codegen.kernel import JitKernel, helper, kernel, span
from netspec.codegen.kinds import Array4, Bytes
from netspec.codegen.rows import Row, Variable, Whole, rows, times

RUN = 256
NARROW = 64
"""With fewer channels than NARROW, a run of about RUN values is taken vector by vector.

A run holds windows or pixels that are alike, side by side.
"""


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


@rows(group=2, again=True)
def maximum(x: Row, y: Row, mask: Row, walk: Walk, first: Whole, fw: Whole) -> None:
    """y = the maximum of each window, mask = its place; places count from `first` on, and the window is `fw` wide."""
    for k in times(walk.number):
        at, to = k * walk.step, k * walk.right
        best, place = Variable(x.get(at)), Variable(first.spread(mask))
        for i in times(walk.tall):
            for j in times(walk.wide):
                value, now = x.get(at + i * walk.down + j * walk.right), best.get()
                more = (value > now) | value.is_nan()
                best.set(value.where(more, now))
                place.set((first + i * fw + j).spread(mask).where(more, place.get()))
        y.put(best.get(), to)
        mask.put(place.get(), to)


@rows(again=True)
def maximum_only(x: Row, y: Row, walk: Walk) -> None:
    """y = the maximum of each window."""
    for k in times(walk.number):
        at = k * walk.step
        best = Variable(x.get(at))
        for i in times(walk.tall):
            for j in times(walk.wide):
                value, now = x.get(at + i * walk.down + j * walk.right), best.get()
                best.set(value.where((value > now) | value.is_nan(), now))
        y.put(best.get(), k * walk.right)


@rows(group=2, again=True)
def gather(dy: Row, mask: Row, dx: Row, walk: Walk, place: Whole, up: Whole, left: Whole) -> None:
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
        dx.put(total.get(), k * walk.step)


@rows(again=True)
def scatter(dy: Row, mask: Row, dx: Row, walk: Walk, top: Whole, left: Whole, fh: Whole, fw: Whole) -> None:
    """dx = dy where a window chose the pixel, else 0, for the pixels from (top, left) of each window on.

    Pixels from (fh, fw) on lie in no window.
    """
    for k in times(walk.number):
        value, place = dy.get(k * walk.right), mask.get(k * walk.right)
        for i in times(walk.tall):
            for j in times(walk.wide):
                u, v = top + i, left + j
                mine = place.equals((u * fw + v).where(u < fh, -1).where(v < fw, -1).spread(mask))
                dx.put(value.where(mine, 0), k * walk.step + i * walk.down + j * walk.right)


@rows(group=2, again=True)
def mean(x: Row, y: Row, walk: Walk, area: Whole) -> None:
    """y = the sum of each window over `area`; rows are summed first, so that little is rounded."""
    for k in times(walk.number):
        total = Variable(x.fill(0))
        for i in times(walk.tall):
            line = Variable(x.fill(0))
            for j in times(walk.wide):
                line.set(line.get() + x.get(k * walk.step + i * walk.down + j * walk.right))
            total.set(total.get() + line.get())
        y.put(total.get() * area.share().spread(y), k * walk.right)


@rows(group=2, again=True)
def share(
    dy: Row, dx: Row, walk: Walk, fh: Whole, fw: Whole, sh: Whole, sw: Whole, below: Whole, beside: Whole
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
        dx.put(total.get(), k * walk.step)


@helper
def clipped(i: int, stride: int, pad: int, length: int, size: int) -> tuple[int, int, int]:
    """Of the i-th window of an axis: its first pixel, how many it has, and where it would begin with its padding."""
    start = i * stride - pad
    first = max(start, 0)
    return first, min(start + length, size) - first, start


@helper
def whole_windows(j: int, stride: int, pad: int, length: int, size: int, c: int) -> int:
    """The number of windows of an axis, from the j-th on, that are alike: wholly in the image, and not too many."""
    start = j * stride - pad
    return 1 if start < 0 or start + length > size else min((size - length - start) // stride + 1, run_length(c))


@helper
def covering(i: int, stride: int, pad: int, length: int, windows: int) -> tuple[int, int, int]:
    """(first, number, strides that change nothing) of the windows of an axis that hold pixel i.

    The third says how often one can go a stride on and find as many windows. Near an end there are fewer windows than
    elsewhere: then it is -1.
    """
    first, last = (i + pad - length) // stride + 1, (i + pad) // stride
    further = windows - 1 - last
    return max(first, 0), max(min(last, windows - 1) - max(first, 0) + 1, 0), max(further, -1) if first >= 0 else -1


@helper
def run_length(c: int) -> int:
    """The number of windows or pixels of c channels that are taken at a time."""
    return RUN // c if c < NARROW else 1


@helper
def own(i: int, stride: int, pad: int, size: int, windows: int) -> tuple[int, int, int]:
    """(begin with its padding, first pixel of its own, one past the last) of the i-th window of an axis."""
    start = i * stride - pad
    return start, max(start, 0) if i else 0, start + stride if i + 1 < windows else size


@kernel
def max_forward(x: Array4, y: Array4, mask: Bytes, window: PoolWindow, part: int, parts: int) -> None:
    """y = the maximum of each window, mask (N*P*Q*C,) = its place.

    Of equals the first wins; a NaN beats every number.
    """
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = x.shape, y.shape
    flat, tops = x.reshape(x.size), y.reshape(y.size)
    for row in range(*span(n * p, part, parts)):
        top, tall, i0 = clipped(row % p, sh, ph, fh, h)
        image, j = (row // p * h + top) * w, 0
        while j < q:
            left, wide, j0 = clipped(j, sw, pw, fw, w)
            number, at, first = whole_windows(j, sw, pw, fw, w, c), (row * q + j) * c, (top - i0) * fw + left - j0
            maximum(
                c, flat, (image + left) * c, tops, at, mask, at, Walk(number, tall, wide, w * c, c, sw * c), first, fw
            )
            j += number


@kernel
def max_forward_only(x: Array4, y: Array4, window: PoolWindow, part: int, parts: int) -> None:
    """y = the maximum of each window; nothing is kept for backward."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = x.shape, y.shape
    flat, tops = x.reshape(x.size), y.reshape(y.size)
    for row in range(*span(n * p, part, parts)):
        top, tall, _ = clipped(row % p, sh, ph, fh, h)
        image, j = (row // p * h + top) * w, 0
        while j < q:
            left, wide, _ = clipped(j, sw, pw, fw, w)
            number = whole_windows(j, sw, pw, fw, w, c)
            maximum_only(
                c, flat, (image + left) * c, tops, (row * q + j) * c, Walk(number, tall, wide, w * c, c, sw * c)
            )
            j += number


@kernel
def max_backward(dy: Array4, mask: Bytes, dx: Array4, window: PoolWindow, part: int, parts: int) -> None:
    """dx = dy at the place of each window's maximum, added up where windows overlap; 0 elsewhere."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs = dy.reshape(dy.size), dx.reshape(dx.size)
    for row in range(*span(n * h, part, parts)):
        i, tall, _ = covering(row % h, sh, ph, fh, p)
        u, image = row % h + ph - i * sh, (row // h * p + i) * q
        width = sw * run_length(c)
        for start in range(0, w, width):
            end = min(start + width, w)
            for phase in range(start, min(start + sw, end)):
                column, room = phase, width // sw - 1 if start + width <= w else (end - 1 - phase) // sw
                while column < end:
                    j, wide, further = covering(column, sw, pw, fw, q)
                    number = max(min(room, further), 0) + 1
                    at, to, place = (image + j) * c, (row * w + column) * c, u * fw + column + pw - j * sw
                    gather(
                        c, flat, at, mask, at, diffs, to, Walk(number, tall, wide, q * c, c, sw * c), place, sh * fw, sw
                    )
                    column, room = column + number * sw, room - number


@kernel
def max_backward_apart(dy: Array4, mask: Bytes, dx: Array4, window: PoolWindow, part: int, parts: int) -> None:
    """dx = dy at the place of each window's maximum, where windows do not overlap; 0 elsewhere.

    A window writes the pixels from its own first one to the next window's.
    """
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs = dy.reshape(dy.size), dx.reshape(dx.size)
    for row in range(*span(n * p, part, parts)):
        i0, top, below = own(row % p, sh, ph, h, p)
        image, j = (row // p * h + top) * w, 0
        while j < q:
            j0, left, beside = own(j, sw, pw, w, q)
            number = max(1, min(run_length(c), q - 1 - j)) if j0 >= 0 else 1
            at, to = (row * q + j) * c, (image + left) * c
            walk = Walk(number, below - top, beside - left, w * c, c, sw * c)
            scatter(c, flat, at, mask, at, diffs, to, walk, top - i0, left - j0, fh, fw)
            j += number


@kernel
def mask_top(mask: Bytes, top: Array4, w: int, window: PoolWindow, part: int, parts: int) -> None:
    """top (N, P, Q, C) = the places of the maxima in their planes, row * w + column, as Caffe hands them out."""
    _, fw, sh, sw, ph, pw = window
    n, p, q, c = top.shape
    flat = top.reshape(top.size)
    for pixel in range(*span(n * p * q, part, parts)):
        start = (pixel // q % p * sh - ph) * w + pixel % q * sw - pw
        for i in range(pixel * c, pixel * c + c):
            flat[i] = start + mask[i] // fw * w + mask[i] % fw


@kernel
def average_forward(x: Array4, y: Array4, window: PoolWindow, part: int, parts: int) -> None:
    """y = the sum of each window over its area. The area counts the padding, but not what hangs over beyond it."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = x.shape, y.shape
    flat, tops = x.reshape(x.size), y.reshape(y.size)
    for row in range(*span(n * p, part, parts)):
        top, tall, i0 = clipped(row % p, sh, ph, fh, h)
        image, height = (row // p * h + top) * w, min(fh, h + ph - i0)
        j = 0
        while j < q:
            left, wide, j0 = clipped(j, sw, pw, fw, w)
            number, area = whole_windows(j, sw, pw, fw, w, c), height * min(fw, w + pw - j0)
            mean(c, flat, (image + left) * c, tops, (row * q + j) * c, Walk(number, tall, wide, w * c, c, sw * c), area)
            j += number


@kernel
def average_backward(dy: Array4, dx: Array4, window: PoolWindow, part: int, parts: int) -> None:
    """dx = dy over the area of each window, added up where windows overlap."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs = dy.reshape(dy.size), dx.reshape(dx.size)
    for row in range(*span(n * h, part, parts)):
        i, tall, _ = covering(row % h, sh, ph, fh, p)
        image, below = (row // h * p + i) * q, h + ph - (i * sh - ph)
        width = sw * run_length(c)
        for start in range(0, w, width):
            end = min(start + width, w)
            for phase in range(start, min(start + sw, end)):
                column, room = phase, width // sw - 1 if start + width <= w else (end - 1 - phase) // sw
                while column < end:
                    j, wide, further = covering(column, sw, pw, fw, q)
                    number = max(min(room, further), 0) + 1
                    at, to, beside = (image + j) * c, (row * w + column) * c, w + pw - (j * sw - pw)
                    share(
                        c,
                        flat,
                        at,
                        diffs,
                        to,
                        Walk(number, tall, wide, q * c, c, sw * c),
                        fh,
                        fw,
                        sh,
                        sw,
                        below,
                        beside,
                    )
                    column, room = column + number * sw, room - number


def large(small: JitKernel) -> JitKernel:
    """A kernel for windows of more than 255 places: `mask` is int32."""
    f = small.function
    copy = FunctionType(f.__code__, f.__globals__, f"{f.__name__}_large")
    copy.__annotations__ = f.__annotations__ | {"mask": "Ints"}
    copy.__module__ = f.__module__
    return kernel(copy)


max_forward_large, max_backward_large, mask_top_large = large(max_forward), large(max_backward), large(mask_top)
