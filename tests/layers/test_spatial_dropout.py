"""SpatialDropout: which channels it keeps, how many, and that the same numbers come again."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (4, 7), (3, 5, 6), (2, 3, 2, 4, 5)])
def test_definition_and_derivatives(shape: tuple[int, ...]) -> None:
    layer, x = make_layer("SpatialDropout", dropout_ratio=0.25), blob(*shape)
    n, c = shape[:2]
    one = (n, c, *(1 for _ in shape[2:]))
    against(lambda bottoms, _: [bottoms[0] * naive.kept(n * c, 0.25, 11, 0).reshape(one) / 0.75], layer, [x])
    keep = naive.kept(n * c, 0.25, 17, 6).reshape(one)
    for layout in ("NCHW", "NHWC"):
        (y,) = forward(layer, x, iteration=6, seed=17, layout=layout)
        np.testing.assert_allclose(y, np.where(keep, x / 0.75, 0), rtol=1e-15)


def test_whole_channels_in_the_right_number() -> None:
    """Within 1.96 standard deviations, as Caffe tests Dropout; forward and backward alike."""
    x = np.ones((60, 50, 3, 2))
    result = run_layer(make_layer("SpatialDropout", dropout_ratio=0.4), x, top_diffs=[x], iteration=4)
    y = result.tops[0]
    assert np.all(y == y[:, :, :1, :1])
    assert abs((y[:, :, 0, 0] > 0).mean() - 0.6) < 1.96 * np.sqrt(0.24 / 3000)
    np.testing.assert_array_equal(y, result.bottom_diffs[0])


def test_infinities_are_dropped() -> None:
    for layout in ("NCHW", "NHWC"):
        (y,) = forward(make_layer("SpatialDropout"), np.full((3, 20, 2, 4), np.inf), layout=layout)
        assert set(y.ravel()) == {0, np.inf}


def test_testing_passes_the_bottom_on() -> None:
    check_layer(make_layer("SpatialDropout"), [blob(3, 4)], phase="TEST")


def test_refused() -> None:
    with pytest.raises(ValidationError):
        make_layer("SpatialDropout", dropout_ratio=1.0)
    with pytest.raises(ShapeError, match="no axis of channels"):
        make_layer("SpatialDropout").top_shapes(((4,),))
