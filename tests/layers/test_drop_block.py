"""DropBlock: where its blocks lie, how much it drops, and that both directions have one mask."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers import naive
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


def mask(shape: tuple[int, ...], ratio: float, b: int, seed: int, iteration: int) -> Array:
    """Blocks at the pixels where they fit, each with the paper's probability."""
    n, c, h, w = shape
    gamma = ratio / b**2 * (h * w) / ((h - b + 1) * (w - b + 1))
    begins = ~naive.kept(n * c * h * w, gamma, seed, iteration).reshape(shape)
    found = np.ones(shape)
    for i, j, p, q in np.argwhere(begins):
        if p <= h - b and q <= w - b:
            found[i, j, p : p + b, q : q + b] = 0
    return found


@pytest.mark.parametrize(("ratio", "b"), [(0.3, 2), (0.2, 4), (0.5, 1), (0.0, 3)])
def test_definition_and_derivatives(ratio: float, b: int) -> None:
    layer, x = make_layer("DropBlock", dropout_ratio=ratio, block_size=b), blob(2, 3, 5, 4)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        keep = mask(x.shape, ratio, b, 11, 0)
        return [bottoms[0] * keep * keep.size / keep.sum()]

    against(oracle, layer, [x])
    keep = mask(x.shape, ratio, b, 17, 6)
    for layout in ("NCHW", "NHWC"):
        (y,) = forward(layer, x, iteration=6, seed=17, layout=layout)
        np.testing.assert_allclose(y, x * keep * keep.size / keep.sum(), rtol=1e-14)


def test_share_and_mean() -> None:
    """The mean of ones stays exactly; the share that is dropped lies a little below p, as blocks overlap."""
    x = np.ones((20, 16, 14, 15))
    result = run_layer(make_layer("DropBlock", dropout_ratio=0.1, block_size=3), x, top_diffs=[x], iteration=4)
    y = result.tops[0]
    assert y.mean() == pytest.approx(1)
    assert 0.085 < (y == 0).mean() < 0.105
    np.testing.assert_array_equal(y, result.bottom_diffs[0])


def test_all_may_be_dropped_and_infinities_too() -> None:
    layer = make_layer("DropBlock", dropout_ratio=0.5, block_size=2)
    values = [forward(layer, np.full((1, 1, 2, 2), np.inf), seed=seed)[0] for seed in range(40)]
    assert {float(v) for y in values for v in y.ravel()} == {0, np.inf}


def test_testing_passes_the_bottom_on() -> None:
    check_layer(make_layer("DropBlock", block_size=2), [blob(2, 3, 5, 4)], phase="TEST")


def test_refused() -> None:
    with pytest.raises(ValidationError):
        make_layer("DropBlock", block_size=0)
    with pytest.raises(ValidationError):
        make_layer("DropBlock", dropout_ratio=1.0)
    with pytest.raises(ShapeError, match="four axes"):
        make_layer("DropBlock").top_shapes(((4, 3),))
    with pytest.raises(ShapeError, match="does not fit"):
        make_layer("DropBlock").top_shapes(((4, 3, 9, 6),))
