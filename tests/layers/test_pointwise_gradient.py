"""The weight's gradient of filters of one tap, in float64: plain, strided, pitched, and seen through a BatchNorm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.core.beside import Lens, Pull
from netspec.core.calls import Run
from netspec.lowering.conv import Conv
from netspec.lowering.conv_direct import Direct
from tests.helpers.one_tap import CASES, Case, Norm, conv_of, images, norm_of, products

Array = NDArray[Any]


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
