"""Convolutions with filters of one tap between BatchNorms: shapes, images, and what is wanted by definition."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netspec.core.beside import Lens, Pull
from netspec.core.shape import Window
from netspec.lowering.conv import Conv
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
    "pieces whose rows lie apart": Case((3, 512, 24, 25), 17),
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
