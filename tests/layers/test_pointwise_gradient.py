"""The weight's gradient of filters of one tap, in float64: plain, strided, pitched, and seen through a BatchNorm."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.core.beside import Lens, Pull
from netspec.core.calls import Run
from netspec.core.shape import Window
from netspec.lowering.conv import Conv
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_passes import flat

Array = NDArray[Any]


class Case(NamedTuple):
    """A convolution of images (N, C, H, W) with K filters of one tap, and the values beside their pixels."""

    shape: tuple[int, int, int, int]
    filters: int
    stride: tuple[int, int] = (1, 1)
    beside: tuple[int, int] = (0, 0)  # of pixels of x, of dy


CASES = {
    "one image, few channels": Case((1, 3, 5, 4), 2),
    "one channel, one pixel": Case((1, 1, 1, 1), 1),
    "more filters than a tile has rows": Case((3, 7, 6, 5), 37),
    "channels of several panels": Case((2, 70, 9, 11), 33),
    "many rows that parts share": Case((2, 33, 13, 11), 530),
    "many columns that parts share": Case((2, 530, 13, 11), 33),
    "blocks and pieces": Case((5, 12, 19, 23), 70),
    "blocks, pieces and shares": Case((5, 530, 19, 23), 70),
    "every second pixel": Case((3, 21, 8, 18), 40, (2, 2)),
    "odd images and strides, in pieces": Case((11, 21, 29, 32), 18, (2, 3)),
    "one column of strided pixels": Case((4, 6, 7, 2), 5, (3, 2)),
    "pitched x": Case((3, 21, 8, 7), 40, beside=(11, 0)),
    "pitched dy": Case((3, 21, 8, 7), 40, beside=(0, 5)),
    "both pitched and strided": Case((3, 40, 9, 8), 21, (2, 3), (11, 5)),
}


def images(rng: np.random.Generator, shape: tuple[int, ...], beside: int, dtype: str) -> Array:
    """Normal numbers (N, H, W, channels) with NaN between the pixels."""
    *sizes, channels = shape
    wide = np.full((*sizes, channels + beside), np.nan, dtype)
    wide[..., :channels] = rng.standard_normal(shape)
    return wide[..., :channels]


class Norm(NamedTuple):
    """A BatchNorm with factors and constants (C,), and a ReLU along, of x (N, H, W, C), by its definition."""

    x: Array
    weight: Array
    bias: Array
    eps: float = 1e-3

    @property
    def mean(self) -> Array:
        return np.asarray(self.x.astype(np.float64).mean((0, 1, 2)))

    @property
    def inverse(self) -> Array:
        return np.asarray(1 / np.sqrt(self.x.astype(np.float64).var((0, 1, 2)) + self.eps))

    @property
    def z(self) -> Array:
        return np.asarray((self.x - self.mean) * self.inverse)

    @property
    def top(self) -> Array:
        return np.asarray(np.maximum(self.z * self.weight + self.bias, 0))

    def bottom_diff(self, dy: Array) -> Array:
        """Ioffe & Szegedy 2015, in one line."""
        dy, axes = np.where(self.top > 0, dy, 0.0), (0, 1, 2)
        return np.asarray(self.weight * self.inverse * (dy - dy.mean(axes) - self.z * (dy * self.z).mean(axes)))

    def lens(self) -> Lens:
        factor = self.weight * self.inverse
        return Lens(factor.astype(self.x.dtype), (self.bias - self.mean * factor).astype(self.x.dtype), 0.0)

    def pull(self, dy: Array) -> Pull:
        """The coefficients for dx = of_dy * dy - of_x * (x - centre) - shift, with a centre beside the mean."""
        masked, centre = np.where(self.top > 0, dy, 0.0).astype(np.float64), self.mean + 0.125
        of_dy, products = self.weight * self.inverse, (masked * self.z).mean((0, 1, 2))
        of_x = of_dy * self.inverse * products
        shift = of_dy * masked.mean((0, 1, 2)) + of_x * (centre - self.mean)
        values, pitch = flat(self.x)
        return Pull(values, pitch, self.lens(), *(a.astype(self.x.dtype) for a in (centre, of_dy, of_x, shift)))


def norm_of(rng: np.random.Generator, x: Array) -> Norm:
    return Norm(x, np.asarray(rng.uniform(0.5, 1.5, x.shape[3])), np.asarray(rng.standard_normal(x.shape[3])))


def conv_of(case: Case) -> Conv:
    (n, c, h, w), (sy, sx) = case.shape, case.stride
    top = (n, case.filters, (h - 1) // sy + 1, (w - 1) // sx + 1)
    return Conv(case.shape, top, (case.filters, c, 1, 1), (Window(1, sy, 0, 1), Window(1, sx, 0, 1)), 1, False)


def products(x: Array, dy: Array, stride: tuple[int, int]) -> Array:
    """dw (K, C): the definition."""
    read = x[:, :: stride[0], :: stride[1]].astype(np.float64)
    return np.asarray(np.einsum("nijk,nijc->kc", dy.astype(np.float64), read))


def gradient(
    conv: Conv, x: Array, dy: Array, dw: Array, lens: Lens | None = None, pull: Pull | None = None, add: bool = False
) -> Array:
    """What the way of computing writes, or adds, to dw (K, C, 1, 1)."""
    dtype = str(x.dtype)
    space = {name: np.full(w.shape, np.nan, dtype) for name, w in Direct().weight_spaces(conv).items()}
    run = Run(
        "TRAIN",
        (x,),
        (dy,),
        (None,),
        (dy,),
        (dw,),
        (dw,),
        np.zeros(2, np.int64),
        1,
        space,
        layout="NHWC",
        bottom_shapes=(conv.bottom,),
        top_shapes=(conv.top,),
        param_add=(add,),
        lenses=(lens,),
        pull=pull,
    )
    driver.run(Direct().weight(conv, run, dw), dtype)
    return dw[:, :, 0, 0]


def blobs(case: Case, dtype: str = "float64") -> tuple[Conv, Array, Array, Norm, Norm]:
    """The convolution, x, dy, and BatchNorms that wrote x and that read the top."""
    rng, conv = np.random.default_rng(7), conv_of(case)
    (n, c, h, w), (_, k, p, q) = conv.bottom, conv.top
    x, dy = (
        images(rng, shape, beside, dtype)
        for shape, beside in zip(((n, h, w, c), (n, p, q, k)), case.beside, strict=True)
    )
    return conv, x, dy, norm_of(rng, x), norm_of(rng, images(rng, (n, p, q, k), case.beside[1] and 2, dtype))


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_sum_over_all_pixels(name: str, add: bool) -> None:
    conv, x, dy, *_ = blobs(CASES[name])
    start = np.random.default_rng(1).standard_normal(conv.weight) if add else np.full(conv.weight, np.nan)
    wanted = products(x, dy, CASES[name].stride) + (start[:, :, 0, 0] if add else 0)
    found = gradient(conv, x, dy, start, add=add)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("through", ["lens", "pull", "both"])
@pytest.mark.parametrize("name", CASES)
def test_the_bottom_and_the_diff_of_the_top_are_seen_through_batch_norms(name: str, through: str) -> None:
    """The gradient is that of the convolution between two BatchNorms, neither of which wrote its top or its dx."""
    conv, x, dy, before, behind = blobs(CASES[name])
    lens, pull = before.lens() if through != "pull" else None, behind.pull(dy) if through != "lens" else None
    seen, slope = before.top if lens else x, behind.bottom_diff(dy) if pull else dy
    wanted = products(seen, slope, CASES[name].stride)
    found = gradient(conv, x, dy, np.full(conv.weight, np.nan), lens, pull)
    np.testing.assert_allclose(
        found, wanted, rtol=1e-10, atol=1e-10 * np.abs(products(x, dy, CASES[name].stride)).max()
    )


def test_without_a_limit_values_are_only_scaled_and_moved() -> None:
    """A lens and a pull of a BatchNorm without a ReLU."""
    conv, x, dy, before, behind = blobs(CASES["blocks and pieces"])
    lens, pull = before.lens()._replace(low=np.nan), behind.pull(dy)
    pull = pull._replace(lens=pull.lens._replace(low=np.nan))
    slope = pull.of_dy * dy - pull.of_x * (behind.x - pull.centre) - pull.shift
    wanted = products(x * lens.factor + lens.offset, slope, (1, 1))
    found = gradient(conv, x, dy, np.full(conv.weight, np.nan), lens, pull)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["blocks, pieces and shares", "odd images and strides, in pieces"])
def test_float32_is_near_and_its_bits_do_not_depend_on_threads(name: str) -> None:
    conv, x, dy, before, behind = blobs(CASES[name], "float32")
    wanted = products(before.top, behind.bottom_diff(dy), CASES[name].stride)
    found = []
    for threads in (1, 2):
        driver.limit_threads(threads)
        try:
            dw = np.full(conv.weight, np.nan, "float32")
            found.append(gradient(conv, x, dy, dw, before.lens(), behind.pull(dy)))
        finally:
            driver.limit_threads(None)
    assert found[0].tobytes() == found[1].tobytes()
    np.testing.assert_allclose(found[0], wanted, atol=4e-6 * np.abs(wanted).max())
