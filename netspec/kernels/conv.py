"""Convolution of N x C x H x W images by gathering windows into a matrix and multiplying it with the filters.

Letters: x (N, C, H, W), w (K, C/G, Fh, Fw), y (N, K, P, Q), R = C/G*Fh*Fw values a window. Work is cut into tiles of pixels of one image,
so that the gathered matrix stays in the cache. Source: Chellapilla, Puri & Simard 2006; Caffe im2col.cpp, base_conv_layer.cpp.
`steps` is (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w); `b` is (K,), or empty where there is no bias.
"""

from __future__ import annotations

from typing import Any

from netspec.kernels.gemm import gemm_add
from netspec.kernels.jit import Array4, Matrix, Vector, helper, kernel, span

Ints6 = Any
"""A tuple of six ints, inside compiled code."""


@helper
def _inside(size: int, stride: int, start: int, first: int, last: int) -> tuple[int, int]:
    """Which j of [first, last) have 0 <= j*stride + start < size: a range."""
    low, high = -(start // stride), (size - 1 - start) // stride + 1
    low = min(max(low, first), last)
    return low, max(low, min(high, last))


@helper
def _gather(
    x: Vector,
    x0: int,
    shape: Ints6,
    steps: Ints6,
    row0: int,
    rows: int,
    pixel0: int,
    pixels: int,
    out: Vector,
    at: int,
    down: int,
    right: int,
) -> None:
    """out[at + r*down + p*right] = value `row0 + r` of the window at pixel `pixel0 + p`, for one group of one image that begins at x0.

    `shape` is (H, W, Fh, Fw, P, Q). Places in the padding are 0.
    """
    h, w, fh, fw, _, q = shape
    sh, sw, ph, pw, dh, dw = steps
    for r in range(rows):
        c, tap = divmod(row0 + r, fh * fw)
        u, v = divmod(tap, fw)
        start = v * dw - pw
        done = 0
        while done < pixels:
            i, first = divmod(pixel0 + done, q)
            last = min(q, first + pixels - done)
            to = at + r * down + (done - first) * right
            y = i * sh - ph + u * dh
            low, high = _inside(w, sw, start, first, last) if 0 <= y < h else (last, last)
            for j in range(first, low):
                out[to + j * right] = 0
            line = x0 + (c * h + y) * w + start
            for j in range(low, high):
                out[to + j * right] = x[line + j * sw]
            for j in range(high, last):
                out[to + j * right] = 0
            done += last - first


@helper
def _scatter(
    x: Vector, x0: int, shape: Ints6, steps: Ints6, row0: int, rows: int, pixel0: int, pixels: int, columns: Vector, at: int
) -> None:
    """The reverse of `_gather` from columns (rows, pixels): every value is added to its place in the image."""
    h, w, fh, fw, _, q = shape
    sh, sw, ph, pw, dh, dw = steps
    for r in range(rows):
        c, tap = divmod(row0 + r, fh * fw)
        u, v = divmod(tap, fw)
        start = v * dw - pw
        done = 0
        while done < pixels:
            i, first = divmod(pixel0 + done, q)
            last = min(q, first + pixels - done)
            frm = at + r * pixels + done - first
            y = i * sh - ph + u * dh
            if 0 <= y < h:
                low, high = _inside(w, sw, start, first, last)
                line = x0 + (c * h + y) * w + start
                for j in range(low, high):
                    x[line + j * sw] += columns[frm + j]
            done += last - first


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
    tile: int,
    part: int,
    parts: int,
) -> None:
    """y = x * w + b. A part owns tiles of `tile` pixels, and gathers as many rows at a time as its row of scratch (parts, ...) holds."""
    n, c, height, width = x.shape
    k, depth, fh, fw = w.shape
    pixels, rows, groups = y.shape[2] * y.shape[3], depth * fh * fw, c // depth
    shape, steps = (height, width, fh, fw, y.shape[2], y.shape[3]), (sh, sw, ph, pw, dh, dw)
    xs, ws, ys, columns = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size), scratch[part]
    most = columns.size // tile
    tiles, filters = (pixels + tile - 1) // tile, k // groups
    for unit in range(*span(n * tiles, part, parts)):
        image, p0 = unit // tiles, unit % tiles * tile
        wide = min(tile, pixels - p0)
        for o in range(k):
            row = ys[(image * k + o) * pixels + p0 : (image * k + o) * pixels + p0 + wide]
            for j in range(wide):
                row[j] = 0
            if b.size:
                for j in range(wide):
                    row[j] = b[o]
        for g in range(groups):
            for r0 in range(0, rows, most):
                deep = min(most, rows - r0)
                _gather(xs, (image * c + g * depth) * height * width, shape, steps, r0, deep, p0, wide, columns, 0, wide, 1)
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
    tile: int,
    part: int,
    parts: int,
) -> None:
    """dx = w^T dy, scattered. A part owns blocks of `channels` channels of an image, and takes `tile` pixels at a time."""
    n, c, height, width = dx.shape
    k, depth, fh, fw = w.shape
    pixels, rows, groups = dy.shape[2] * dy.shape[3], depth * fh * fw, c // depth
    shape, steps = (height, width, fh, fw, dy.shape[2], dy.shape[3]), (sh, sw, ph, pw, dh, dw)
    xs, ws, ys, columns = dx.reshape(dx.size), w.reshape(w.size), dy.reshape(dy.size), scratch[part]
    blocks, filters = (depth + channels - 1) // channels, k // groups
    for unit in range(*span(n * groups * blocks, part, parts)):
        image, g, c0 = unit // (groups * blocks), unit // blocks % groups, unit % blocks * channels
        some = min(channels, depth - c0)
        x0 = (image * c + g * depth) * height * width
        for i in range(x0 + c0 * height * width, x0 + (c0 + some) * height * width):
            xs[i] = 0
        for p0 in range(0, pixels, tile):
            wide, r0, deep = min(tile, pixels - p0), c0 * fh * fw, some * fh * fw
            for i in range(deep * wide):
                columns[i] = 0
            at = (image * k + g * filters) * pixels + p0
            gemm_add(ws, g * filters * rows + r0, 1, rows, ys, at, pixels, columns, 0, wide, deep, wide, filters)
            _scatter(xs, x0, shape, steps, r0, deep, p0, wide, columns, 0)


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
    tile: int,
    part: int,
    parts: int,
) -> None:
    """pieces: (S, K*R). pieces[s] = dy x, summed over the images of piece s. A part owns blocks of `channels` channels of one piece.

    `w` only says how large the filters are. The windows are gathered as rows, (pixels, values), so that the products run along them.
    """
    n, c, height, width = x.shape
    k, depth, fh, fw = w.shape
    pixels, rows, groups = dy.shape[2] * dy.shape[3], depth * fh * fw, c // depth
    shape, steps = (height, width, fh, fw, dy.shape[2], dy.shape[3]), (sh, sw, ph, pw, dh, dw)
    xs, ys, windows = x.reshape(x.size), dy.reshape(dy.size), scratch[part]
    filters, blocks = k // groups, (depth + channels - 1) // channels
    cuts = parts // pieces.shape[0]
    total = pieces[part // cuts]
    for block in range(*span(groups * blocks, part % cuts, cuts)):
        g, c0 = block // blocks, block % blocks * channels
        r0, wide = c0 * fh * fw, min(channels, depth - c0) * fh * fw
        for o in range(g * filters, (g + 1) * filters):
            for r in range(o * rows + r0, o * rows + r0 + wide):
                total[r] = 0
        for image in range(*span(n, part // cuts, pieces.shape[0])):
            for p0 in range(0, pixels, tile):
                deep = min(tile, pixels - p0)
                _gather(xs, (image * c + g * depth) * height * width, shape, steps, r0, wide, p0, deep, windows, 0, 1, wide)
                at = (image * k + g * filters) * pixels + p0
                gemm_add(ys, at, pixels, 1, windows, 0, wide, total, g * filters * rows + r0, rows, filters, wide, deep)


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
