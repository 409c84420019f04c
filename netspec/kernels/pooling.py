"""Pooling over windows of N x H x W x C images, channels last. A part owns whole rows of the array it writes.

Letters: x (N, H, W, C), y (N, P, Q, C). Windows are clipped to the image; none lies wholly outside it. A place of a
window is its row times `fw` plus its column, clipped or not. Backward gathers: each pixel looks at the windows that
hold it. Source: Caffe pooling_layer.cpp.

x is seen through a lens by the kernels `..._seen` only, and only those that end in `_leaving` leave products. Backward
writes dx past the caches where it is `far` (`kernels/far.py`). Lines whose products are left then wait in `lines`, a
row for each part, until they are moved; where nothing waits, `lines` is empty.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from netspec.codegen.geometry import PoolWindow
from netspec.codegen.kernel import JitKernel, helper, kernel, span
from netspec.codegen.kinds import Array4, Bytes, Matrix, Vector
from netspec.core.beside import Lens, Products
from netspec.kernels.beside import Place, leave_products, move_products
from netspec.kernels.far import arrive
from netspec.kernels.pooling_rows import (
    Walk,
    gather,
    maximum,
    maximum_only,
    maximum_only_seen,
    maximum_seen,
    mean,
    mean_seen,
    scatter,
    share,
    spread,
)

RUN = 256
NARROW = 64
"""With fewer channels than NARROW, a run of about RUN values is taken vector by vector.

A run holds windows or pixels that are alike, side by side.
"""


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
def run_length(c: int, waits: int = 0) -> int:
    """The number of windows or pixels of c channels that are taken at a time; more where they wait in scratch."""
    more = 4 if waits else 1
    return more * RUN // c if c < more * NARROW else 1


@helper
def own(i: int, stride: int, pad: int, size: int, windows: int) -> tuple[int, int, int]:
    """(begin with its padding, first pixel of its own, one past the last) of the i-th window of an axis."""
    start = i * stride - pad
    return start, max(start, 0) if i else 0, start + stride if i + 1 < windows else size


@helper
def leave(
    near: Vector, dx: Vector, at: int, c: int, number: int, products: Products, piece: int, first: bool, far: int
) -> None:
    """Leave no products: the kernels `..._leaving` have `leave_both` here."""


@helper
def leave_both(
    near: Vector, dx: Vector, at: int, c: int, number: int, products: Products, piece: int, first: bool, far: int
) -> None:
    """Leave the products of `number` pixels of dx[at:], which are moved there from `near` if that is far."""
    if far:
        move_products(near, 0, c, at // c, number, 0, c, products, piece, first, Place(dx, at, c, far))
    else:
        leave_products(dx, at, c, at // c, number, 0, c, products, piece, first)


@kernel
def max_forward(x: Array4, y: Array4, mask: Bytes, lens: Lens, window: PoolWindow, part: int, parts: int) -> None:
    """y = the maximum of each window, mask (N*P*Q*C,) = its place; x is seen through a lens.

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
            walk, start = Walk(number, tall, wide, w * c, c, sw * c), (image + left) * c
            factor, offset = lens.factor, lens.offset
            maximum(c, flat, start, factor, 0, offset, 0, tops, at, mask, at, lens.low, walk, first, fw)
            j += number


@kernel
def max_forward_only(x: Array4, y: Array4, lens: Lens, window: PoolWindow, part: int, parts: int) -> None:
    """y = the maximum of each window, x seen through a lens; nothing is kept for backward."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = x.shape, y.shape
    flat, tops = x.reshape(x.size), y.reshape(y.size)
    for row in range(*span(n * p, part, parts)):
        top, tall, _ = clipped(row % p, sh, ph, fh, h)
        image, j = (row // p * h + top) * w, 0
        while j < q:
            left, wide, _ = clipped(j, sw, pw, fw, w)
            number = whole_windows(j, sw, pw, fw, w, c)
            walk, start, at = Walk(number, tall, wide, w * c, c, sw * c), (image + left) * c, (row * q + j) * c
            maximum_only(c, flat, start, lens.factor, 0, lens.offset, 0, tops, at, lens.low, walk)
            j += number


@kernel
def max_backward(
    dy: Array4,
    mask: Bytes,
    dx: Array4,
    lines: Matrix,
    far: int,
    products: Products,
    window: PoolWindow,
    part: int,
    parts: int,
) -> None:
    """dx = dy at the place of each window's maximum, added up where windows overlap; 0 elsewhere."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs, waits = dy.reshape(dy.size), dx.reshape(dx.size), int(lines.size > 0)
    near, stream = (lines[part], 0) if waits else (diffs, far)
    begin, past = span(n * h, part, parts)
    for row in range(begin, past):
        i, tall, _ = covering(row % h, sh, ph, fh, p)
        u, image = row % h + ph - i * sh, (row // h * p + i) * q
        width = sw * run_length(c, waits)
        for start in range(0, w, width):
            end = min(start + width, w)
            for phase in range(start, min(start + sw, end)):
                column, room = phase, width // sw - 1 if start + width <= w else (end - 1 - phase) // sw
                while column < end:
                    j, wide, further = covering(column, sw, pw, fw, q)
                    number = max(min(room, further), 0) + 1
                    at, to, place = (
                        (image + j) * c,
                        (column if waits else row * w + column) * c,
                        u * fw + column + pw - j * sw,
                    )
                    gather(
                        c,
                        flat,
                        at,
                        mask,
                        at,
                        near,
                        to,
                        Walk(number, tall, wide, q * c, c, sw * c),
                        place,
                        sh * fw,
                        sw,
                        stream,
                    )
                    column, room = column + number * sw, room - number
        leave(near, diffs, row * w * c, c, w, products, part, row == begin, waits)
    arrive(far)


@kernel
def max_backward_apart(
    dy: Array4, mask: Bytes, dx: Array4, far: int, products: Products, window: PoolWindow, part: int, parts: int
) -> None:
    """dx = dy at the place of each window's maximum, where windows do not overlap; 0 elsewhere.

    A window writes the pixels from its own first one to the next window's.
    """
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs = dy.reshape(dy.size), dx.reshape(dx.size)
    first, last = span(n * p, part, parts)
    for row in range(first, last):
        i0, top, below = own(row % p, sh, ph, h, p)
        image, j = (row // p * h + top) * w, 0
        while j < q:
            j0, left, beside = own(j, sw, pw, w, q)
            number = max(1, min(run_length(c), q - 1 - j)) if j0 >= 0 else 1
            at, to = (row * q + j) * c, (image + left) * c
            walk = Walk(number, below - top, beside - left, w * c, c, sw * c)
            scatter(c, flat, at, mask, at, diffs, to, walk, top - i0, left - j0, fh, fw, far)
            j += number
        leave(diffs, diffs, image * c, c, (below - top) * w, products, part, row == first, 0)
    arrive(far)


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
def average_forward(x: Array4, y: Array4, lens: Lens, window: PoolWindow, part: int, parts: int) -> None:
    """y = the sum of each window over its area, x seen through a lens.

    The area counts the padding, which is 0 behind the lens, but not what hangs over beyond it.
    """
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
            walk, start, at = Walk(number, tall, wide, w * c, c, sw * c), (image + left) * c, (row * q + j) * c
            mean(c, flat, start, lens.factor, 0, lens.offset, 0, tops, at, lens.low, walk, area)
            j += number


@kernel
def average_backward(
    dy: Array4, dx: Array4, lines: Matrix, far: int, products: Products, window: PoolWindow, part: int, parts: int
) -> None:
    """dx = dy over the area of each window, added up where windows overlap."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs, waits = dy.reshape(dy.size), dx.reshape(dx.size), int(lines.size > 0)
    near, stream = (lines[part], 0) if waits else (diffs, far)
    begin, past = span(n * h, part, parts)
    for row in range(begin, past):
        i, tall, _ = covering(row % h, sh, ph, fh, p)
        image, below = (row // h * p + i) * q, h + ph - (i * sh - ph)
        width = sw * run_length(c, waits)
        for start in range(0, w, width):
            end = min(start + width, w)
            for phase in range(start, min(start + sw, end)):
                column, room = phase, width // sw - 1 if start + width <= w else (end - 1 - phase) // sw
                while column < end:
                    j, wide, further = covering(column, sw, pw, fw, q)
                    number = max(min(room, further), 0) + 1
                    at, to, beside = (
                        (image + j) * c,
                        (column if waits else row * w + column) * c,
                        w + pw - (j * sw - pw),
                    )
                    share(
                        c,
                        flat,
                        at,
                        near,
                        to,
                        Walk(number, tall, wide, q * c, c, sw * c),
                        fh,
                        fw,
                        sh,
                        sw,
                        below,
                        beside,
                        stream,
                    )
                    column, room = column + number * sw, room - number
        leave(near, diffs, row * w * c, c, w, products, part, row == begin, waits)
    arrive(far)


@kernel
def average_backward_apart(
    dy: Array4, dx: Array4, far: int, products: Products, window: PoolWindow, part: int, parts: int
) -> None:
    """dx = dy over the area of each window, where windows do not overlap; 0 in no window."""
    fh, fw, sh, sw, ph, pw = window
    (n, h, w, c), (_, p, q, _) = dx.shape, dy.shape
    flat, diffs = dy.reshape(dy.size), dx.reshape(dx.size)
    first, last = span(n * p, part, parts)
    for row in range(first, last):
        i0, top, below = own(row % p, sh, ph, h, p)
        image, height, j = (row // p * h + top) * w, min(fh, h + ph - i0), 0
        while j < q:
            j0, left, beside = own(j, sw, pw, w, q)
            number = max(1, min(run_length(c), q - 1 - j)) if j0 >= 0 else 1
            walk = Walk(number, below - top, beside - left, w * c, c, sw * c)
            at, to, area = (row * q + j) * c, (image + left) * c, height * min(fw, w + pw - j0)
            spread(c, flat, at, diffs, to, walk, top - i0, left - j0, fh, fw, area, far)
            j += number
        leave(diffs, diffs, image * c, c, (below - top) * w, products, part, row == first, 0)
    arrive(far)


def variant(of: JitKernel, word: str, kinds: dict[str, str] | None = None, **other: Any) -> JitKernel:
    """A kernel under a name of its own, with other kinds of arguments, or other functions behind the names it calls."""
    f = of.function
    copy = FunctionType(f.__code__, f.__globals__ | other, f"{f.__name__}_{word}")
    copy.__annotations__ = f.__annotations__ | (kinds or {})
    copy.__module__ = f.__module__
    return kernel(copy)


_MANY = {"mask": "Ints"}
max_forward_large, max_backward_large, mask_top_large = (
    variant(each, "large", _MANY) for each in (max_forward, max_backward, mask_top)
)
"""For windows of more than 255 places."""

max_forward_seen = variant(max_forward, "seen", maximum=maximum_seen)
max_forward_only_seen = variant(max_forward_only, "seen", maximum_only=maximum_only_seen)
average_forward_seen = variant(average_forward, "seen", mean=mean_seen)
max_backward_leaving, max_backward_apart_leaving, average_backward_leaving, average_backward_apart_leaving = (
    variant(each, "leaving", leave=leave_both)
    for each in (max_backward, max_backward_apart, average_backward, average_backward_apart)
)
BACKWARD = {
    (False, False, False): max_backward,
    (False, False, True): max_backward_leaving,
    (False, True, False): max_backward_apart,
    (False, True, True): max_backward_apart_leaving,
    (True, False, False): average_backward,
    (True, False, True): average_backward_leaving,
    (True, True, False): average_backward_apart,
    (True, True, True): average_backward_apart_leaving,
}
"""The kernel by whether it averages, whether windows lie apart, and whether products are wanted."""
