"""Both gradients of filters of one tap in one pass, in float64, between BatchNorms that read and write nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.core.beside import Pieces, Products, Pull
from netspec.core.calls import Run
from netspec.lowering import conv_pixels, conv_pixels_both
from netspec.lowering.conv import Conv
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_passes import flat
from tests.helpers.one_tap import Case, Norm, conv_of, images, norm_of, products

Array = NDArray[Any]

CASES = {
    "few channels": Case((3, 3, 49, 43), 5),
    "as many channels": Case((5, 18, 37, 35), 18),
    "channels of several panels": Case((2, 70, 61, 53), 77),
    "as deep as it may be": Case((7, 33, 31, 29), 512),
    "pitched x": Case((3, 21, 48, 47), 40, beside=(11, 0)),
    "all pitched": Case((3, 40, 47, 46), 51, beside=(7, 5)),
}


class Blobs(NamedTuple):
    """A convolution between two BatchNorms: `before` wrote its bottom, `behind` read its top."""

    conv: Conv
    weight: Array
    x: Array
    dy: Array
    before: Norm
    behind: Norm

    @property
    def slope(self) -> Array:
        """The gradient of the convolution's top (N, H, W, K), which nobody writes."""
        return self.behind.bottom_diff(self.dy)

    def wanted(self) -> tuple[Array, Array]:
        """(dw, dx before it is masked), by their definitions in float64."""
        back = np.einsum("nijk,kc->nijc", self.slope, self.weight[:, :, 0, 0].astype(np.float64))
        return products(self.before.top, self.slope, (1, 1)), np.asarray(back)


def blobs(case: Case, dtype: str = "float64") -> Blobs:
    rng, conv = np.random.default_rng(7), conv_of(case)
    (n, c, h, w), k = conv.bottom, case.filters
    x, dy = (images(rng, (n, h, w, m), beside, dtype) for m, beside in zip((c, k), case.beside, strict=True))
    weight = rng.standard_normal(conv.weight).astype(dtype)
    return Blobs(conv, weight, x, dy, norm_of(rng, x), norm_of(rng, images(rng, dy.shape, case.beside[1], dtype)))


def left_by(norm: Norm, pieces: int) -> Products:
    """What is asked of the writer of the gradient of a BatchNorm's top."""
    x, pitch = flat(norm.x)
    c = norm.x.shape[3]
    nan = np.full((pieces, 2, c), np.nan)
    return Products(x, pitch, norm.lens(), (norm.mean + 0.25).astype(x.dtype), Pieces(nan.reshape(-1), np.zeros(0), c))


def gradients(
    of: Blobs, dw: Array, dx: Array, pull: Pull | None, lens: bool, left: Products | None, adds: tuple[bool, bool]
) -> list[str]:
    """Write, or add to, dw and dx; returns the names of the kernels that did so."""
    dtype, conv = str(of.x.dtype), of.conv
    space = {name: np.full(w.shape, np.nan, dtype) for name, w in Direct().backward_spaces(conv).items()}
    run = Run(
        "TRAIN",
        (of.x,),
        (of.dy,),
        (dx,),
        (of.dy,),
        (of.weight,),
        (dw,),
        np.zeros(2, np.int64),
        1,
        space,
        layout="NHWC",
        bottom_shapes=(conv.bottom,),
        top_shapes=(conv.top,),
        param_add=(adds[0],),
        bottom_add=(adds[1],),
        lenses=(of.before.lens() if lens else None,),
        pull=pull,
        products=(left,),
    )
    calls = list(Direct().backward(conv, run, int(adds[1]), of.weight.reshape(-1)[:0]))
    driver.run(calls, dtype)
    return [call.kernel.name for call in calls]


def near(found: Array, wanted: Array, error: float = 1e-10) -> None:
    np.testing.assert_allclose(found, wanted, rtol=error, atol=error * np.abs(wanted).max())


@pytest.mark.parametrize("adds", [(False, False), (True, True)])
@pytest.mark.parametrize("name", CASES)
def test_both_gradients_and_the_products_that_are_left(name: str, adds: tuple[bool, bool]) -> None:
    of, rng = blobs(CASES[name]), np.random.default_rng(1)
    dw = rng.standard_normal(of.conv.weight) if adds[0] else np.full(of.conv.weight, np.nan)
    dx = images(rng, of.x.shape, CASES[name].beside[0], "float64")
    if not adds[1]:
        dx[...] = np.nan
    (want_w, want_x), pieces = of.wanted(), Direct().beside(of.conv).products[0]
    want_w = want_w + (dw[:, :, 0, 0] if adds[0] else 0)
    want_x = np.where(of.before.top > 0, want_x + (dx if adds[1] else 0), 0)
    left = left_by(of.before, pieces)
    names = gradients(of, dw, dx, of.behind.pull(of.dy), True, left, adds)
    assert any("both_gradients" in name for name in names)
    near(dw[:, :, 0, 0], want_w)
    near(dx, want_x)
    sums = left.pieces.values.reshape(pieces, 2, -1).sum(0)
    near(sums[0], want_x.sum((0, 1, 2)))
    near(sums[1], (want_x * (of.x - left.centre)).sum((0, 1, 2)))


def test_without_a_lens_and_products_values_are_what_they_are() -> None:
    of = blobs(CASES["channels of several panels"])
    dw, dx = np.full(of.conv.weight, np.nan), np.full(of.x.shape, np.nan)
    gradients(of, dw, dx, of.behind.pull(of.dy), False, None, (False, False))
    near(dw[:, :, 0, 0], products(of.x, of.slope, (1, 1)))
    near(dx, of.wanted()[1])


def test_it_is_used_only_where_the_diff_is_pulled() -> None:
    of = blobs(CASES["as many channels"])
    dw, dx = np.full(of.conv.weight, np.nan), np.full(of.x.shape, np.nan)
    names = gradients(of, dw, dx, None, True, None, (False, False))
    assert not any("both_gradients" in name for name in names)
    near(dw[:, :, 0, 0], products(of.before.top, of.dy, (1, 1)))
    near(dx, np.einsum("nijk,kc->nijc", of.dy, of.weight[:, :, 0, 0]))


def test_shapes_alone_choose_it() -> None:
    """Its pieces are those of backward to the bottom alone, as a layer states one number for both."""
    assert all(conv_pixels_both.fits(conv_of(case)) for case in CASES.values())
    for case in CASES.values():
        (n, c, h, w) = case.shape
        assert conv_pixels.cut(n * h * w, c) == (16, 1)
    fewer, strided = Case((5, 19, 37, 35), 18), Case((5, 18, 75, 71), 18, (2, 2))
    few_pixels, large = Case((2, 18, 37, 35), 18), Case((7, 129, 31, 29), 512)
    assert not any(conv_pixels_both.fits(conv_of(case)) for case in (fewer, strided, few_pixels, large))


def test_float32_is_near_and_its_bits_do_not_depend_on_threads() -> None:
    of, found = blobs(CASES["channels of several panels"], "float32"), []
    for threads in (1, 2):
        driver.limit_threads(threads)
        try:
            dw, dx = np.full(of.conv.weight, np.nan, "float32"), np.full(of.x.shape, np.nan, "float32")
            left = left_by(of.before, 16)
            gradients(of, dw, dx, of.behind.pull(of.dy), True, left, (False, False))
            found.append((dw, dx, left.pieces.values))
        finally:
            driver.limit_threads(None)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*found, strict=True))
    want_w, want_x = of.wanted()
    near(found[0][0][:, :, 0, 0], want_w, 4e-6)
    near(found[0][1], np.where(of.before.top > 0, want_x, 0), 4e-6)
