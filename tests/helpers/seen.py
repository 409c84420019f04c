"""A convolution between two BatchNorms that have no passes of their own, against its definition in NumPy, float64.

x = max(raw * factor + offset, low), y = x * w, and the gradient of y is seen through a pull. Forward leaves the moments
of y, backward masks the gradient of x and leaves its products with raw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.core.beside import Beside, Lens, Pieces, Products, Pull
from netspec.core.calls import Run
from netspec.core.shape import Shape
from netspec.layers.convolution import Convolution
from netspec.lowering.conv import Conv
from netspec.lowering.conv_passes import flat
from tests.helpers.checks import Runner
from tests.helpers.programs import poisoned

Array = NDArray[Any]
AIR = 3
"""Channels around a blob that lies inside a wider one."""


class Seen(NamedTuple):
    """What a layer made of its blobs, each (N, H, W, channels), and of its weight."""

    y: Array
    mean: Array
    variance: Array
    dw: Array
    dx: Array
    sums: Array
    products: Array


class Sides(NamedTuple):
    """The blobs and coefficients around a convolution."""

    raw: Array  # (N, H, W, C)
    weight: Array
    dy: Array  # (N, P, Q, K)
    begun: Array  # what the bottom's diff holds before
    y0: Array  # what the top holds before
    lens: Lens
    pull: tuple[Array, ...]  # centre, of_dy, of_x, shift
    outer: Lens  # the lens of the pull


def sides(layer: Convolution, shape: Shape, low: float = 0.0, outer_low: float = 0.0) -> Sides:
    """Random blobs for a bottom of shape (N, C, H, W), no value of raw near a kink."""
    rng, c = np.random.default_rng(7), shape[1]
    (n, k, p, q), (weight, *_) = layer.top_shapes((shape,))[0], layer.param_shapes((shape,))
    factor, offset = rng.choice([-1, 1], c) * rng.uniform(0.5, 1.5, c), rng.uniform(-1, 1, c)
    near = rng.standard_normal((n, *shape[2:], c))
    near += np.where(near < 0, -0.05, 0.05)
    of = [rng.uniform(0.5, 1.5, k) for _ in range(6)]
    return Sides(
        (near - offset) / factor,
        rng.standard_normal(weight),
        rng.standard_normal((n, p, q, k)),
        rng.standard_normal(near.shape),
        rng.standard_normal((n, p, q, k)),
        Lens(factor, offset, low),
        (of[0] - 1, of[1], of[2], of[3] - 1),
        Lens(of[4], of[5] - 1, outer_low),
    )


def _windows(conv: Conv) -> Iterable[tuple[Any, ...]]:
    """(tap, lines, columns) of a padded image for every tap."""
    (down, sy, _, dy), (across, sx, _, dx) = conv.window
    _, _, p, q = conv.top
    for u, v in product(range(down), range(across)):
        yield (u, v), slice(u * dy, u * dy + (p - 1) * sy + 1, sy), slice(v * dx, v * dx + (q - 1) * sx + 1, sx)


def expected(conv: Conv, s: Sides, adding: bool, summing: bool, masked: bool = True) -> Seen:
    """By definition; with `adding` backward adds to the bottom's diff, with `summing` forward to the top.

    `masked`: the bottom's diff is masked, and its sums are left.
    """
    n, c, h, w = conv.bottom
    (_, k, p, q), (_, _, pad_y, _), (_, _, pad_x, _), g = conv.top, *conv.window, conv.group
    seen = s.raw * s.lens.factor + s.lens.offset
    x = np.zeros((n, h + 2 * pad_y, w + 2 * pad_x, g, c // g))
    inside = (slice(None), slice(pad_y, pad_y + h), slice(pad_x, pad_x + w))
    x[inside] = np.where(seen < s.lens.low, s.lens.low, seen).reshape(n, h, w, g, -1)
    weight = s.weight.reshape(g, k // g, c // g, *s.weight.shape[2:])
    y = np.zeros((n, p, q, g, k // g))
    for (u, v), lines, columns in _windows(conv):
        y += np.einsum("nijgc,gkc->nijgk", x[:, lines, columns], weight[..., u, v])
    y = y.reshape(n, p, q, k) + (s.y0 if summing else 0)
    centre, of_dy, of_x, shift = s.pull
    cut = np.where(y * s.outer.factor + s.outer.offset <= s.outer.low, 0, s.dy)
    dy = (of_dy * cut - of_x * (y - centre) - shift).reshape(n, p, q, g, -1)
    dw, dx = np.zeros(weight.shape), np.zeros(x.shape)
    for (u, v), lines, columns in _windows(conv):
        dw[..., u, v] = np.einsum("nijgc,nijgk->gkc", x[:, lines, columns], dy)
        dx[:, lines, columns] += np.einsum("nijgk,gkc->nijgc", dy, weight[..., u, v])
    diff = dx[inside].reshape(n, h, w, c) + (s.begun if adding else 0)
    if not masked:
        return Seen(y, y.mean((0, 1, 2)), y.var((0, 1, 2)), dw.reshape(s.weight.shape), diff, *np.full((2, c), np.nan))
    diff = np.where(seen <= s.lens.low, 0, diff)
    sums, products = diff.sum((0, 1, 2)), (diff * (s.raw - s.raw.mean((0, 1, 2)))).sum((0, 1, 2))
    return Seen(y, y.mean((0, 1, 2)), y.var((0, 1, 2)), dw.reshape(s.weight.shape), diff, sums, products)


def _laid(value: Array, dtype: str, wide: bool = False) -> Array:
    """A blob in memory, at the beginning of a line of a cache; with `wide` it lies inside a wider one, of NaN."""
    if not wide:
        blob = poisoned(value.size * np.dtype(dtype).itemsize).view(dtype).reshape(value.shape)
        blob[...] = value
        return blob
    around = np.full((*value.shape[:-1], value.shape[-1] + 2 * AIR), np.nan, dtype)
    around[..., AIR:-AIR] = value
    return around[..., AIR:-AIR]


def _lens(lens: Lens, dtype: str) -> Lens:
    return Lens(lens.factor.astype(dtype), lens.offset.astype(dtype), lens.low)


def run_beside(
    layer: Convolution,
    s: Sides,
    able: Beside,
    dtype: str = "float64",
    adding: bool = False,
    summing: bool = False,
    wide: bool = False,
    runner: Runner = driver.run,
    once: bool = False,
) -> Seen:
    """Forward and backward of the layer, asked for all that it is able to do; with `wide` the blobs of x are wider.

    With `once` the top's diff may be overwritten.
    """
    n, h, w, c = s.raw.shape
    shape, k = (n, c, h, w), s.dy.shape[-1]
    raw, y, dy = _laid(s.raw, dtype), _laid(s.y0 if summing else s.dy * np.nan, dtype), _laid(s.dy, dtype)
    dx, dw = _laid(s.begun if adding else s.raw * np.nan, dtype), np.full(s.weight.shape, np.nan, dtype)
    spaces = layer.workspaces((shape,), backward=True)
    kinds = {name: dtype if one.kind == "real" else one.kind for name, one in spaces.items()}
    space = {
        name: np.full(one.shape, np.nan if "float" in kinds[name] else -7, kinds[name]) for name, one in spaces.items()
    }
    left = Pieces(np.full((able.moments, 3, k), np.nan), np.full(able.moments, np.nan), k)
    back = Pieces(np.full((max(able.products[0], 1), 2, c), np.nan), np.zeros(0), c)
    centre = s.raw.mean((0, 1, 2)).astype(dtype)
    run = Run(
        "TRAIN",
        (raw,),
        (y,),
        (None,),
        (),
        (s.weight.astype(dtype),),
        (None,),
        np.zeros(2, np.int64),
        1,
        space,
        "NHWC",
        (shape,),
        layer.top_shapes((shape,)),
        bottom_add=(adding,),
        param_add=(False,),
        along={"Eltwise": None} if summing else {},  # type: ignore[dict-item]
        lenses=(_lens(s.lens, dtype),),
        moments=left,
    )
    runner(layer.forward(run), dtype)
    for name, one in spaces.items():
        if not one.kept and "float" in kinds[name]:
            space[name][...] = np.nan
    behind, pitch = flat(_laid(y, dtype, wide))
    before, raw_pitch = flat(_laid(raw, dtype, wide) if wide else raw)
    pull = Pull(behind, pitch, _lens(s.outer, dtype), *(one.astype(dtype) for one in s.pull), int(once))
    ask = Products(before, raw_pitch, _lens(s.lens, dtype) if wide else run.lenses[0], centre, back)
    after = replace(run, bottom_diff=(dx,), top_diff=(dy,), param_diff=(dw,), pull=pull, moments=None, along={})
    after = replace(after, products=(ask,)) if able.products[0] else after
    runner(layer.backward(after), dtype)
    np.testing.assert_array_equal(raw, s.raw.astype(dtype))
    assert once or np.array_equal(dy, s.dy.astype(dtype))
    mean, variance = _statistics(left, n * s.dy.shape[1] * s.dy.shape[2])
    return Seen(y, mean, variance, dw, dx, *back.values.sum(0))


def _statistics(left: Pieces, pixels: int) -> tuple[Array, Array]:
    """Mean and variance of what a layer left."""
    counts, (pivot, s, q) = left.counts[:, None], left.values.transpose(1, 0, 2)
    assert left.counts.sum() == pixels
    mean = (counts * pivot + s).sum(0) / pixels
    return mean, (q - s * s / counts + counts * (s / counts + pivot - mean) ** 2).sum(0) / pixels


def check_beside(layer: Any, shape: Shape, low: float = 0.0, outer_low: float = math.nan) -> None:
    """All that a convolution says it is able to do, in both float types, on two threads and backwards."""
    assert isinstance(layer, Convolution)
    able, s, conv = layer.beside((shape,)), sides(layer, shape, low, outer_low), layer.plain(shape)
    assert able.reads == {0} and able.moments and able.pulls
    for adding, summing, wide in ((False, False, False), (True, False, True), (False, True, False)):
        wanted = expected(conv, s, adding, summing, able.products[0] > 0)
        found = run_beside(layer, s, able, "float64", adding, summing, wide)
        for name, a, b in zip(Seen._fields, found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.nanmax(np.abs(b), initial=0), err_msg=name)
    wanted = expected(conv, s, False, False, able.products[0] > 0)
    if math.isnan(outer_low):  # else rounding decides which of the diffs are masked
        found = run_beside(layer, s, able, "float32")
        for name, a, b in zip(Seen._fields, found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=5e-6 * np.nanmax(np.abs(b), initial=0), err_msg=name)
