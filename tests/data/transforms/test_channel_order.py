"""ChannelOrder: RGB to BGR and back, and any order."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS


@pytest.mark.parametrize("fields", [{}, {"order": "BGR"}, {"order": (2, 1, 0)}])
def test_three_ways_to_say_bgr(bind, photos, fields):
    y = bind("ChannelOrder", (3, 6, 8), **fields)(photos)
    for c in range(3):
        np.testing.assert_array_equal(y[:, c], photos[:, 2 - c])
    np.testing.assert_array_equal(bind("ChannelOrder", (3, 6, 8), **fields)(y), photos)


def test_any_order(bind, images):
    x = np.concatenate([images, 255 - images], axis=1)
    np.testing.assert_array_equal(bind("ChannelOrder", (4, 5, 6), order=(3, 0, 1, 2))(x)[:, 0], x[:, 3])
    with pytest.raises(ShapeError, match="of 3 channels, but the images have 2"):
        bind("ChannelOrder", (2, 5, 6))(images)


@pytest.mark.parametrize("order", [(0, 0, 1), (1, 2, 3), "BGX", ()])
def test_what_is_no_order(order):
    with pytest.raises(ValidationError):
        TRANSFORMS.parse({"type": "ChannelOrder", "order": order})
