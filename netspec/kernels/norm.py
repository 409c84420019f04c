"""Normalisation by channels, and factors and constants for each channel. x, y, dx, dy: (N, C, inner); a part owns channels.

Sums run in float64 over one channel at a time, image by image. `w` and `b` are (C,), or empty: then the factor is 1, the constant 0.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.kernels.jit import Array3, Doubles, Matrix, Vector, helper, kernel, span, summing


@summing
def channel_sum(x: Array3, c: int) -> float:
    """The sum of channel c."""
    total = 0.0
    for n in range(x.shape[0]):
        row = x[n, c]
        for i in range(row.size):
            total += np.float64(row[i])
    return total


@summing
def channel_squares(x: Array3, c: int, mean: float) -> float:
    """The sum of (x - mean)^2 over channel c."""
    total = 0.0
    for n in range(x.shape[0]):
        row = x[n, c]
        for i in range(row.size):
            value = np.float64(row[i]) - mean
            total += value * value
    return total


@summing
def channel_products(x: Array3, y: Array3, c: int, mean: float) -> float:
    """The sum of (x - mean) * y over channel c."""
    total = 0.0
    for n in range(x.shape[0]):
        row, other = x[n, c], y[n, c]
        for i in range(row.size):
            total += (np.float64(row[i]) - mean) * np.float64(other[i])
    return total


@helper
def linear(x: Vector, y: Vector, factor: float, offset: float) -> None:
    """y = x * factor + offset; x, y: (M,)."""
    for i in range(y.size):
        y[i] = x[i] * factor + offset


@kernel
def affine(x: Array3, w: Vector, b: Vector, y: Array3, part: int, parts: int) -> None:
    """y = x * w + b. A part owns planes."""
    n, c, _ = x.shape
    for plane in range(*span(n * c, part, parts)):
        image, channel = plane // c, plane % c
        factor = w[channel] if w.size else x.dtype.type(1)
        offset = b[channel] if b.size else x.dtype.type(0)
        linear(x[image, channel], y[image, channel], factor, offset)


@helper
def linear_columns(x: Vector, w: Vector, b: Vector, y: Vector) -> None:
    """y = x * w + b; x, y: (M,); w, b: (M,) or empty."""
    if w.size and b.size:
        for i in range(y.size):
            y[i] = x[i] * w[i] + b[i]
    elif w.size:
        for i in range(y.size):
            y[i] = x[i] * w[i]
    else:
        for i in range(y.size):
            y[i] = x[i] + b[i]


@kernel
def affine_columns(x: Matrix, w: Vector, b: Vector, y: Matrix, part: int, parts: int) -> None:
    """x, y: (N, C). y = x * w + b, where w or b may be empty. A part owns columns."""
    first, last = span(x.shape[1], part, parts)
    for n in range(x.shape[0]):
        linear_columns(x[n, first:last], w[first:last], b[first:last], y[n, first:last])


@kernel
def scale_backward(x: Array3, dy: Array3, w: Vector, dx: Array3, dw: Vector, db: Vector, add: int, part: int, parts: int) -> None:
    """dx = dy * w; dw = (with `add`: +=) the sums of dy * x; db += the sums of dy. What is empty is not wanted."""
    zero = x.dtype.type(0)
    for c in range(*span(x.shape[1], part, parts)):
        if dw.size:
            total = channel_products(x, dy, c, 0.0)
            dw[c] = dw[c] + total if add else total
        if db.size:
            db[c] += channel_sum(dy, c)
        for n in range(dx.shape[0]):
            linear(dy[n, c], dx[n, c], w[c], zero)


@kernel
def bias_backward(dy: Array3, db: Vector, add: int, part: int, parts: int) -> None:
    """db = (with `add`: +=) the sums of dy."""
    for c in range(*span(dy.shape[1], part, parts)):
        total = channel_sum(dy, c)
        db[c] = db[c] + total if add else total


@kernel
def batch_norm_forward(
    x: Array3, w: Vector, b: Vector, y: Array3, mean: Doubles, variance: Doubles, inverse: Doubles, eps: float, part: int, parts: int
) -> None:
    """y = (x - mean) * inverse * w + b with inverse = 1 / sqrt(variance + eps), and the batch's mean and variance of each channel."""
    count = x.shape[0] * x.shape[2]
    for c in range(*span(x.shape[1], part, parts)):
        mean[c] = channel_sum(x, c) / count
        variance[c] = channel_squares(x, c, mean[c]) / count
        inverse[c] = 1.0 / math.sqrt(variance[c] + eps)
        factor = inverse[c] * w[c] if w.size else inverse[c]
        offset = (b[c] if b.size else 0.0) - mean[c] * factor
        for n in range(x.shape[0]):
            linear(x[n, c], y[n, c], x.dtype.type(factor), x.dtype.type(offset))


@kernel
def update_statistics(
    mean: Doubles,
    variance: Doubles,
    run_mean: Vector,
    run_variance: Vector,
    scale: Vector,
    fraction: float,
    unbiased: float,
    part: int,
    parts: int,
) -> None:
    """Running sums (C,) and their count, scale (1,): times `fraction`, plus those of this batch. Runs as one part.

    A batch that would make any of them NaN or infinite is left out.
    """
    real = scale.dtype.type
    for c in range(mean.size):
        m = real(fraction * run_mean[c] + mean[c])
        v = real(fraction * run_variance[c] + unbiased * variance[c])
        if not (math.isfinite(m) and math.isfinite(v)):
            return
    for c in range(mean.size):
        run_mean[c] = real(fraction * run_mean[c] + mean[c])
        run_variance[c] = real(fraction * run_variance[c] + unbiased * variance[c])
    scale[0] = fraction * scale[0] + real(1)


@kernel
def running_statistics(
    run_mean: Vector,
    run_variance: Vector,
    scale: Vector,
    w: Vector,
    b: Vector,
    mean: Doubles,
    inverse: Doubles,
    factor: Vector,
    offset: Vector,
    eps: float,
    part: int,
    parts: int,
) -> None:
    """Mean and 1 / sqrt(variance + eps) of each channel from the running sums; y = x * factor + offset.

    Before the first batch they are 0 and 1. (Caffe takes a variance of 0 then, so that every such layer multiplies by 1 / sqrt(eps).)
    """
    share = 1.0 / scale[0] if scale[0] != 0 else 0.0
    for c in range(mean.size):
        mean[c] = run_mean[c] * share
        variance = run_variance[c] * share if scale[0] != 0 else 1.0
        inverse[c] = 1.0 / math.sqrt(variance + eps)
        slope = inverse[c] * w[c] if w.size else inverse[c]
        factor[c] = slope
        offset[c] = (b[c] if b.size else 0.0) - mean[c] * slope


@helper
def centred(x: Vector, dy: Vector, dx: Vector, mean: float, of_x: float, of_dy: float, offset: float) -> None:
    """dx = of_dy * dy - of_x * (x - mean) - offset; all (M,)."""
    for i in range(dx.size):
        dx[i] = of_dy * dy[i] - of_x * (x[i] - mean) - offset


@kernel
def batch_norm_backward(
    seen: Array3,
    dy: Array3,
    w: Vector,
    mean: Doubles,
    inverse: Doubles,
    dx: Array3,
    dw: Vector,
    db: Vector,
    normalised: int,
    fixed: int,
    part: int,
    parts: int,
) -> None:
    """With z = (x - mean) * inverse: dw += the sums of dy * z, db += the sums of dy, and dx = inverse * w * (dy - mean dy - z * mean dy z).

    `seen` is z where `normalised`, else x. Where mean and variance are `fixed`, dx = inverse * w * dy. What is empty is not wanted.
    """
    count, real = seen.shape[0] * seen.shape[2], dy.dtype.type
    for c in range(*span(seen.shape[1], part, parts)):
        centre = 0.0 if normalised else mean[c]
        spread = 1.0 if normalised else inverse[c]
        slope = inverse[c] * w[c] if w.size else inverse[c]
        centring = dx.size and not fixed
        products = channel_products(seen, dy, c, centre) * spread if dw.size or centring else 0.0
        total = channel_sum(dy, c) if db.size or centring else 0.0
        if dw.size:
            dw[c] += products
        if db.size:
            db[c] += total
        if fixed:
            for n in range(dx.shape[0]):
                linear(dy[n, c], dx[n, c], real(slope), real(0))
        else:
            of_x, offset = real(slope * spread * products / count), real(slope * total / count)
            for n in range(dx.shape[0]):
                centred(seen[n, c], dy[n, c], dx[n, c], real(centre), of_x, real(slope), offset)
