"""Convolution of N x C x H x W images by gathering windows into a matrix and multiplying it with the filters.

Letters: x (N, C, H, W), w (K, C/G, Fh, Fw), y (N, K, P, Q), R = C/G*Fh*Fw values a window. Work is cut into whole lines of an image,
so that the gathered matrix stays in the cache. Source: Chellapilla, Puri & Simard 2006; Caffe im2col.cpp, base_conv_layer.cpp.
`steps` is (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w); `b` is (K,), or empty where there is no bias.
"""

from __future__ import annotations

from typing import Any

from netspec.kernels.gemm import gemm_add
from netspec.kernels.jit import Array4, Matrix, Vector, helper, kernel, span
from netspec.kernels.simd import add_run, clear_run, copy_run

Ints6 = Any
"""A tuple of six ints, inside compiled code."""


@helper
def _inside(count: int, size: int, stride: int, start: int) -> tuple[int, int]:
    """Which j of [0, count) have 0 <= j*stride + start < size: a range."""
    low = min(max(-(start // stride), 0), count)
    return low, max(low, min((size - 1 - start) // stride + 1, count))


@helper
def _gather(x: Vector, x0: int, shape: Ints6, steps: Ints6, row0: int, rows: int, line0: int, lines: int, out: Vector) -> None:
    """out (rows, lines, Q) = value `row0 + r` of the window at each pixel from line `line0` on, for one group of one image at x0.

    `shape` is (H, W, Fh, Fw, P, Q). Places in the padding are 0.
    """
    h, w, fh, fw, _, q = shape
    sh, sw, ph, pw, dh, dw = steps
    to = 0
    for r in range(row0, row0 + rows):
        c, tap = r // (fh * fw), r % (fh * fw)
        start, y = tap % fw * dw - pw, line0 * sh - ph + tap // fw * dh
        low, high = _inside(q, w, sw, start)
        at = x0 + (c * h + y) * w + start
        for _ in range(lines):
            if not 0 <= y < h:
                clear_run(out, to, q)
            else:
                if low > 0:
                    clear_run(out, to, low)
                if sw == 1:
                    copy_run(x, at + low, out, to + low, high - low)
                else:
                    for j in range(low, high):
                        out[to + j] = x[at + j * sw]
                if high < q:
                    clear_run(out, to + high, q - high)
            to, y, at = to + q, y + sh, at + sh * w


@helper
def _scatter(x: Vector, x0: int, shape: Ints6, steps: Ints6, row0: int, rows: int, line0: int, lines: int, columns: Vector) -> None:
    """The reverse of `_gather`: every value of columns (rows, lines, Q) is added to its place in the image."""
    h, w, fh, fw, _, q = shape
    sh, sw, ph, pw, dh, dw = steps
    frm = 0
    for r in range(row0, row0 + rows):
        c, tap = r // (fh * fw), r % (fh * fw)
        start, y = tap % fw * dw - pw, line0 * sh - ph + tap // fw * dh
        low, high = _inside(q, w, sw, start)
        at = x0 + (c * h + y) * w + start
        for _ in range(lines):
            if 0 <= y < h:
                if sw == 1:
                    add_run(columns, frm + low, x, at + low, high - low)
                else:
                    for j in range(low, high):
                        x[at + j * sw] += columns[frm + j]
            frm, y, at = frm + q, y + sh, at + sh * w


@helper
def _turn(x: Vector, x0: int, pitch: int, rows: int, columns: int, out: Vector) -> None:
    """out (columns, rows) = the transpose of x (rows, columns), whose rows begin `pitch` apart from x0 on."""
    for i0 in range(0, rows, 16):
        for j in range(columns):
            for i in range(i0, min(i0 + 16, rows)):
                out[j * rows + i] = x[x0 + i * pitch + j]


@kernel
def convolution_forward(
    x: Array4,
    w: Array4,
    b: Vector,
    y: Array4,
    scratch: Matrix,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
    lines: int,
    part: int,
    parts: int,
) -> None:
    """y = x * w + b. A part owns tiles of `lines` lines, and gathers as many rows at a time as its row of scratch (parts, ...) holds."""
    n, c, height, width = x.shape
    k, depth, fh, fw = w.shape
    p, q = y.shape[2], y.shape[3]
    pixels, rows, groups, filters = p * q, depth * fh * fw, c // depth, k * depth // c
    shape, steps = (height, width, fh, fw, p, q), (sh, sw, ph, pw, dh, dw)
    xs, ws, ys, columns = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size), scratch[part]
    most, tiles = columns.size // (lines * q), (p + lines - 1) // lines
    for unit in range(*span(n * tiles, part, parts)):
        image, i0 = unit // tiles, unit % tiles * lines
        tall = min(lines, p - i0)
        p0, wide = i0 * q, tall * q
        for o in range(k):
            row = (image * k + o) * pixels + p0
            clear_run(ys, row, wide)
            if b.size:
                for j in range(row, row + wide):
                    ys[j] = b[o]
        for g in range(groups):
            for r0 in range(0, rows, most):
                deep = min(most, rows - r0)
                _gather(xs, (image * c + g * depth) * height * width, shape, steps, r0, deep, i0, tall, columns)
                at = (image * k + g * filters) * pixels + p0
                gemm_add(ws, g * filters * rows + r0, rows, 1, columns, 0, wide, ys, at, pixels, filters, wide, deep)


@kernel
def convolution_backward(
    w: Array4,
    dy: Array4,
    dx: Array4,
    scratch: Matrix,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
    channels: int,
    lines: int,
    part: int,
    parts: int,
) -> None:
    """dx = w^T dy, scattered. A part owns blocks of `channels` channels of an image, and takes `lines` lines at a time."""
    n, c, height, width = dx.shape
    k, depth, fh, fw = w.shape
    p, q = dy.shape[2], dy.shape[3]
    pixels, rows, groups, filters = p * q, depth * fh * fw, c // depth, k * depth // c
    shape, steps = (height, width, fh, fw, p, q), (sh, sw, ph, pw, dh, dw)
    xs, ws, ys, columns = dx.reshape(dx.size), w.reshape(w.size), dy.reshape(dy.size), scratch[part]
    blocks = (depth + channels - 1) // channels
    for unit in range(*span(n * groups * blocks, part, parts)):
        image, g, c0 = unit // (groups * blocks), unit // blocks % groups, unit % blocks * channels
        some = min(channels, depth - c0)
        x0 = (image * c + g * depth) * height * width
        clear_run(xs, x0 + c0 * height * width, some * height * width)
        r0, deep = c0 * fh * fw, some * fh * fw
        for i0 in range(0, p, lines):
            tall = min(lines, p - i0)
            p0, wide = i0 * q, tall * q
            clear_run(columns, 0, deep * wide)
            at = (image * k + g * filters) * pixels + p0
            gemm_add(ws, g * filters * rows + r0, 1, rows, ys, at, pixels, columns, 0, wide, deep, wide, filters)
            _scatter(xs, x0, shape, steps, r0, deep, i0, tall, columns)


@kernel
def convolution_weight_gradient(
    x: Array4,
    dy: Array4,
    w: Array4,
    pieces: Matrix,
    scratch: Matrix,
    sh: int,
    sw: int,
    ph: int,
    pw: int,
    dh: int,
    dw: int,
    channels: int,
    lines: int,
    part: int,
    parts: int,
) -> None:
    """pieces: (S, G*R*K/G). pieces[s] = x dy^T, each group turned, summed over the images of piece s.

    A part owns blocks of `channels` channels of one piece. `w` only says how large the filters are. A row of scratch (parts, ...) holds
    `channels` channels' windows at `lines` lines, and behind them dy at these pixels, turned so that the products run along the filters.
    """
    n, c, height, width = x.shape
    k, depth, fh, fw = w.shape
    p, q = dy.shape[2], dy.shape[3]
    pixels, rows, groups, filters = p * q, depth * fh * fw, c // depth, k * depth // c
    shape, steps = (height, width, fh, fw, p, q), (sh, sw, ph, pw, dh, dw)
    blocks, cuts = (depth + channels - 1) // channels, parts // pieces.shape[0]
    columns, turned = scratch[part], scratch[part, channels * fh * fw * lines * q :]
    xs, ys, total = x.reshape(x.size), dy.reshape(dy.size), pieces[part // cuts]
    for block in range(*span(groups * blocks, part % cuts, cuts)):
        g, c0 = block // blocks, block % blocks * channels
        r0, deep = c0 * fh * fw, min(channels, depth - c0) * fh * fw
        to = (g * rows + r0) * filters
        clear_run(total, to, deep * filters)
        for image in range(*span(n, part // cuts, pieces.shape[0])):
            for i0 in range(0, p, lines):
                tall = min(lines, p - i0)
                p0, wide = i0 * q, tall * q
                _turn(ys, (image * k + g * filters) * pixels + p0, pixels, filters, wide, turned)
                _gather(xs, (image * c + g * depth) * height * width, shape, steps, r0, deep, i0, tall, columns)
                gemm_add(columns, 0, wide, 1, turned, 0, filters, total, to, filters, deep, filters, wide)


@kernel
def add_turned_pieces(pieces: Matrix, dw: Array4, groups: int, part: int, parts: int) -> None:
    """pieces: (S, G*R*K/G), dw: (K, R). dw += the pieces, turned back, added in their order; a part owns filters."""
    k = dw.shape[0]
    filters, rows, flat = k // groups, dw.size // k, dw.reshape(dw.size)
    for o in range(*span(k, part, parts)):
        at = o // filters * rows * filters + o % filters
        for r in range(rows):
            total = pieces[0, at + r * filters]
            for s in range(1, pieces.shape[0]):
                total += pieces[s, at + r * filters]
            flat[o * rows + r] += total


@helper
def _total(x: Vector) -> float:
    """Sum of x (M,) in float64: eight sums side by side, joined in a fixed order."""
    a = b = c = d = e = f = g = h = 0.0
    even = x.size - x.size % 8
    for i in range(0, even, 8):
        a, b, c, d = a + x[i], b + x[i + 1], c + x[i + 2], d + x[i + 3]
        e, f, g, h = e + x[i + 4], f + x[i + 5], g + x[i + 6], h + x[i + 7]
    for i in range(even, x.size):
        a += x[i]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@kernel
def channel_gradient(dy: Array4, db: Vector, part: int, parts: int) -> None:
    """dy: (N, K, P, Q), db: (K,). db += the sum of dy over images and pixels; a part owns channels."""
    n, k = dy.shape[0], dy.shape[1]
    pixels = dy.shape[2] * dy.shape[3]
    flat = dy.reshape(dy.size)
    for o in range(*span(k, part, parts)):
        total = 0.0
        for image in range(n):
            total += _total(flat[(image * k + o) * pixels : (image * k + o + 1) * pixels])
        db[o] += total
