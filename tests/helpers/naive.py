"""Layers as papers and Caffe define them, element by element or pixel by pixel, in plain NumPy and float64."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.core.shape import Window

Array = NDArray[Any]
Pair = tuple[int, int]


def convolution(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    pad: Pair = (0, 0),
    dilation: Pair = (1, 1),
    group: int = 1,
) -> Array:
    """x (N, C, H, W), w (K, C/group, Fh, Fw), b (K,).

    y[n,k,i,j] = b[k] + sum of w[k,c,u,v] * x[n, c of k's group, i*S-P+u*D, j*S-P+v*D].
    """
    (n, c, h, width), (k, depth, fh, fw) = x.shape, w.shape
    starts = [
        [i * s for i in range(size + 2 * p) if i * s + d * (f - 1) < size + 2 * p] or [0]  # Caffe rounds towards 0
        for size, f, s, p, d in zip((h, width), (fh, fw), stride, pad, dilation, strict=True)
    ]
    assert c == depth * group
    y = np.zeros((n, k, len(starts[0]), len(starts[1])))
    for (i, top), (j, left), u, v in product(enumerate(starts[0]), enumerate(starts[1]), range(fh), range(fw)):
        row, column = top - pad[0] + u * dilation[0], left - pad[1] + v * dilation[1]
        if 0 <= row < h and 0 <= column < width:
            pixel = x[:, :, row, column].reshape(n, group, depth)
            tap = w[:, :, u, v].reshape(group, k // group, depth)
            y[:, :, i, j] += np.einsum("ngq,goq->ngo", pixel, tap).reshape(n, k)
    return y if b is None else y + b[:, None, None]


def windows(size: int, kernel: int, stride: int, pad: int, ceil: bool = True, any_pad: bool | None = None) -> int:
    """How many windows a pooling layer has along an axis, found by trying.

    ceil: as many as it takes to cover the padded axis; floor: as many as fit. With padding (on any axis) none starts
    past image and left padding.
    """
    n = 1
    if ceil:
        while (n - 1) * stride + kernel < size + 2 * pad:
            n += 1
    else:
        while n * stride + kernel <= size + 2 * pad:
            n += 1
    if pad if any_pad is None else any_pad:
        n -= (n - 1) * stride >= size + pad
    return n


def pooling(
    x: Array, kernel: Pair, stride: Pair = (1, 1), pad: Pair = (0, 0), pool: str = "MAX", ceil: bool = True
) -> tuple[Array, Array]:
    """x (N, C, H, W). The tops y and mask (N, C, P, Q); the mask of AVE is -1."""
    sizes = [windows(x.shape[2 + a], kernel[a], stride[a], pad[a], ceil, any(pad)) for a in (0, 1)]
    y, mask = np.zeros((*x.shape[:2], *sizes)), np.full((*x.shape[:2], *sizes), -1)
    for n, c, i, j in np.ndindex(*y.shape):
        best, total, area = -np.inf, 0.0, 0
        for u, v in product(range(kernel[0]), range(kernel[1])):
            row, column = i * stride[0] - pad[0] + u, j * stride[1] - pad[1] + v
            area += row < x.shape[2] + pad[0] and column < x.shape[3] + pad[1]
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                total += x[n, c, row, column]
                if pool == "MAX" and x[n, c, row, column] > best:
                    best, mask[n, c, i, j] = x[n, c, row, column], row * x.shape[3] + column
        y[n, c, i, j] = best if pool == "MAX" else total / area
    return y, mask


def pooling_anywhere(
    x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], pool: str, ceil: bool = True
) -> tuple[Array, Array]:
    """x (N, C, ...), of any number of axes. The tops y and mask; the mask of all but MAX is -1.

    pool: MAX, AVE, L2, or EXPECTED, the sum of squares over the sum, 0 where that is not above 0.
    """
    axes = list(zip(x.shape[2:], kernel, stride, pad, strict=True))
    sizes = [windows(*axis, ceil, any(pad)) for axis in axes]
    y, mask = np.zeros((*x.shape[:2], *sizes)), np.full((*x.shape[:2], *sizes), -1)
    for n, c, *place in np.ndindex(*y.shape):
        starts = [i * s - p for i, (_, _, s, p) in zip(place, axes, strict=True)]
        area = np.prod([min(start + k, size + p) - start for start, (size, k, _, p) in zip(starts, axes, strict=True)])
        values, places = [], []
        for taps in product(*map(range, kernel)):
            at = tuple(start + tap for start, tap in zip(starts, taps, strict=True))
            if all(0 <= i < size for i, size in zip(at, x.shape[2:], strict=True)):
                values.append(float(x[(n, c, *at)]))
                places.append(int(np.ravel_multi_index(at, x.shape[2:])))
        index = (n, c, *place)
        if pool == "MAX":
            y[index], mask[index] = max(values), places[values.index(max(values))]
        elif pool == "EXPECTED":
            y[index] = sum(v * v for v in values) / sum(values) if sum(values) > 0 else 0
        else:
            y[index] = sum(values) / area if pool == "AVE" else np.sqrt(sum(v * v for v in values))
    return y, mask


def inner_product(x: Array, w: Array, b: Array | None = None, axis: int = 1) -> Array:
    """x (N..., K...), w (M, K), b (M,). y[n,m] = b[m] + sum over k of w[m,k] * x[n,k]."""
    axis %= x.ndim
    flat = x.reshape(int(np.prod(x.shape[:axis])), -1)
    y = np.zeros((len(flat), len(w)))
    for n, m in np.ndindex(*y.shape):
        for k in range(w.shape[1]):
            y[n, m] += w[m, k] * flat[n, k]
        y[n, m] += 0 if b is None else b[m]
    return y.reshape(*x.shape[:axis], len(w))


def splitmix(z: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014), on Python's integers."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def words(count: int, seed: int, iteration: int, part: int = 0) -> list[int]:
    """The random 64 bits of the first `count` indices."""
    golden = 0x9E3779B97F4A7C15
    key = splitmix((seed + golden) % 2**64)
    for number in (iteration, part):
        key = splitmix((key + (number + 1) * golden) % 2**64)
    return [splitmix((key + (index + 1) * golden) % 2**64) for index in range(count)]


def kept(count: int, ratio: float, seed: int, iteration: int, part: int = 0) -> Array:
    """Which of `count` elements Dropout keeps: those whose random 32 bits are at least ratio * 2^32."""
    return np.array([word >> 32 for word in words(count, seed, iteration, part)]) >= round(ratio * 2**32)


def normals(count: int, seed: int, iteration: int, part: int = 0) -> Array:
    """The normal numbers of the first `count` indices, by Box and Muller from 24 and 24 bits of each word."""
    found = words(count, seed, iteration, part)
    u, t = np.array([((w >> 40) + 1) / 2**24 for w in found]), np.array([(w >> 16) % 2**24 / 2**24 for w in found])
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * t)


def bilinear(size: int) -> Array:
    """The weights of a bilinear upsampling filter (size, size), by Caffe's formula."""
    f = int(np.ceil(size / 2))
    c = (size - 1) / (2 * f)
    return np.array([[(1 - abs(x / f - c)) * (1 - abs(y / f - c)) for x in range(size)] for y in range(size)])


def correlation(x: Array, w: Array, b: Array | None, windows: Sequence[Window], group: int = 1) -> Array:
    """x (N, C, S...), w (K, C/group, F...), b (K,): the sums of windows with any number of axes, a window each."""
    (n, _, *sizes), (k, depth, *kernel) = x.shape, w.shape
    counts = [
        (size + 2 * a.pad - a.dilation * (a.kernel - 1) - 1) // a.stride + 1
        for size, a in zip(sizes, windows, strict=True)
    ]
    y = np.zeros((n, k, *counts))
    for o, place, tap in product(range(k), np.ndindex(*counts), np.ndindex(*kernel)):
        at = tuple(i * a.stride - a.pad + t * a.dilation for i, t, a in zip(place, tap, windows, strict=True))
        if all(0 <= i < size for i, size in zip(at, sizes, strict=True)):
            first = o // (k // group) * depth
            y[(slice(None), o, *place)] += (
                x[(slice(None), slice(first, first + depth), *at)] @ w[(o, slice(None), *tap)]
            )
    return y if b is None else y + b.reshape(-1, *(1 for _ in counts))


def spreading(x: Array, w: Array, b: Array | None, windows: Sequence[Window], group: int = 1) -> Array:
    """x (N, C, S...), w (C, K/group, F...), b (K,): each pixel adds its products to a window of the result."""
    (n, c, *sizes), (_, depth, *kernel) = x.shape, w.shape
    wide = [
        a.stride * (size - 1) + a.dilation * (a.kernel - 1) + 1 - 2 * a.pad
        for size, a in zip(sizes, windows, strict=True)
    ]
    y = np.zeros((n, depth * group, *wide))
    for i, place, tap in product(range(c), np.ndindex(*sizes), np.ndindex(*kernel)):
        at = tuple(j * a.stride - a.pad + t * a.dilation for j, t, a in zip(place, tap, windows, strict=True))
        if all(0 <= j < size for j, size in zip(at, wide, strict=True)):
            first = i // (c // group) * depth
            part = np.outer(x[(slice(None), i, *place)], w[(i, slice(None), *tap)])
            y[(slice(None), slice(first, first + depth), *at)] += part
    return y if b is None else y + b.reshape(-1, *(1 for _ in wide))
