"""DropPath: which samples it keeps, how many, and that the same numbers come again."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("shape", [(6, 3, 4, 5), (7, 4), (9,)])
def test_definition_and_derivatives(shape: tuple[int, ...]) -> None:
    layer, x = make_layer("DropPath", dropout_ratio=0.25), blob(*shape)
    one = (-1, *(1 for _ in shape[1:]))
    against(lambda bottoms, _: [bottoms[0] * naive.kept(shape[0], 0.25, 11, 0).reshape(one) / 0.75], layer, [x])
    keep = naive.kept(shape[0], 0.25, 17, 6).reshape(one)
    for layout in ("NCHW", "NHWC"):
        (y,) = forward(layer, x, iteration=6, seed=17, layout=layout)
        np.testing.assert_allclose(y, np.where(keep, x / 0.75, 0), rtol=1e-15)


def test_whole_samples_in_the_right_number() -> None:
    x = np.ones((3000, 2, 3))
    result = run_layer(make_layer("DropPath", dropout_ratio=0.4), x, top_diffs=[x], iteration=4)
    y = result.tops[0]
    assert np.all(y == y[:, :1, :1])
    assert abs((y[:, 0, 0] > 0).mean() - 0.6) < 1.96 * np.sqrt(0.24 / 3000)
    np.testing.assert_array_equal(y, result.bottom_diffs[0])


def test_testing_passes_the_bottom_on() -> None:
    check_layer(make_layer("DropPath"), [blob(3, 4)], phase="TEST")


def test_refused() -> None:
    with pytest.raises(ValidationError):
        make_layer("DropPath", dropout_ratio=-0.1)
    with pytest.raises(ShapeError, match="no axis of samples"):
        make_layer("DropPath").top_shapes(((),))
