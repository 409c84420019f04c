"""What BatchNorms ask of the layers beside them, made by hand, and what the answers must be, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.core.beside import Lens, Pieces, Products
from netspec.core.calls import Run
from netspec.layers.base import Layer

Array = NDArray[Any]


def some_lens(channels: int, seed: int, low: float = math.nan, dtype: str = "float64") -> Lens:
    """Factors of both signs, and constants."""
    rng = np.random.default_rng(seed)
    return Lens(rng.standard_normal(channels).astype(dtype), rng.standard_normal(channels).astype(dtype), low)


def seen(x: Array, lens: Lens | None) -> Array:
    """x (..., C) through a lens, in float64."""
    if lens is None:
        return x.astype(np.float64)
    value = x.astype(np.float64) * lens.factor + lens.offset
    return value if math.isnan(lens.low) else np.maximum(value, lens.low)


def no_moments(pieces: int, channels: int) -> Pieces:
    """Room for moments, all NaN."""
    return Pieces(np.full((pieces, 3, channels), np.nan), np.full(pieces, np.nan), channels)


def some_products(x: Array, lens: Lens, pieces: int, seed: int = 8) -> Products:
    """What is asked of the gradient of a BatchNorm's top, whose bottom is x (..., C); its sums are NaN."""
    channels = x.shape[-1]
    centre = np.random.default_rng(seed).standard_normal(channels).astype(x.dtype)
    room = Pieces(np.full((pieces, 2, channels), np.nan), np.zeros(0), channels)
    return Products(x, channels, lens, centre, room)


def masked(dy: Array, products: Products) -> Array:
    """dy, with 0 where the BatchNorm's ReLU was shut."""
    if math.isnan(products.lens.low):
        return dy
    x = products.x.reshape(dy.shape)
    return np.where(x.astype(np.float64) * products.lens.factor + products.lens.offset <= products.lens.low, 0, dy)


def check_products(products: Products, dy: Array, rtol: float = 1e-10) -> None:
    """dy, masked: (..., C)."""
    dy = dy.astype(np.float64).reshape(-1, dy.shape[-1])
    x = products.x.reshape(dy.shape).astype(np.float64) - products.centre
    total, sums = products.pieces.values.sum(0)
    np.testing.assert_allclose(total, dy.sum(0), rtol=rtol, atol=rtol * np.abs(dy).sum())
    np.testing.assert_allclose(sums, (dy * x).sum(0), rtol=rtol, atol=rtol * np.abs(dy * x).sum())


def check_moments(left: Pieces, y: Array, rtol: float = 1e-10) -> None:
    """y: (..., C). The pieces' counts, means and squares together are those of y."""
    y = y.astype(np.float64).reshape(-1, y.shape[-1])
    assert left.counts.sum() == len(y)
    counts, (pivot, s, q) = left.counts[:, None], left.values.swapaxes(0, 1)
    mean = (counts * pivot + s).sum(0) / len(y)
    square = (q + 2 * pivot * s + counts * pivot**2).sum(0)
    np.testing.assert_allclose(mean, y.mean(0), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(square, (y**2).sum(0), rtol=100 * rtol)


def run_of(
    layer: Layer, bottoms: Sequence[Array], top_diff: Array | None = None, *, relu: bool = False, **fields: Any
) -> Run:
    """A run on blobs (N, H, W, C), with room for what it writes, all NaN; `fields` replace its own."""
    dtype = bottoms[0].dtype
    shapes = tuple((n, c, h, w) for n, h, w, c in (b.shape for b in bottoms))
    tops = tuple(layer.top_shapes(shapes))
    space = {
        name: np.full(w.shape, 0 if "int" in w.kind else np.nan, dtype if w.kind == "real" else w.kind)
        for name, w in layer.workspaces(shapes, backward=True).items()
    }
    given = {
        "bottom": tuple(bottoms),
        "top": tuple(np.full((n, h, w, c), np.nan, dtype) for n, c, h, w in tops),
        "bottom_diff": tuple(np.full_like(b, np.nan) for b in bottoms),
        "top_diff": () if top_diff is None else (top_diff,),
        "workspace": space,
        "layout": "NHWC",
        "bottom_shapes": shapes,
        "top_shapes": tops,
        "along": {"ReLU": None} if relu else {},
    }
    return Run(
        **{
            "phase": "TRAIN",
            "param": (),
            "param_diff": (),
            "clock": np.zeros(2, np.int64),
            "seed": 1,
            **given,
            **fields,
        }
    )


def run_on(threads: int, layer: Layer, run: Run) -> None:
    """Forward and backward, in float32."""
    driver.limit_threads(threads)
    try:
        driver.run(layer.forward(run), "float32")
        driver.run(layer.backward(run), "float32")
    finally:
        driver.limit_threads(None)
