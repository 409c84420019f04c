"""Interpolate by hand, and beside OpenCV to the bit."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS

SIZES = [(9, 4), (3, 5), (2, 3), (6, 8), (17, 23), (1, 1), (3, 4)]


def test_worked_by_hand(bind):
    """Of 4 pixels to 2: u = 0.5 and 2.5, between two old ones; of 2 to 4: -0.25, 0.25, 0.75, 1.25."""
    x = np.array([[[[0.0, 1, 3, 6]]]], np.float32)
    np.testing.assert_allclose(bind("Interpolate", (1, 1, 4), size=(1, 2))(x), [[[[0.5, 4.5]]]])
    np.testing.assert_allclose(bind("Interpolate", (1, 1, 4), size=(1, 1))(x), [[[[2]]]])
    np.testing.assert_allclose(bind("Interpolate", (1, 1, 2), size=(1, 4))(x[..., 1:3]), [[[[1, 1.5, 2.5, 3]]]])


@pytest.mark.parametrize("size", SIZES)
def test_beside_opencv(bind, photos, size):
    cv2 = pytest.importorskip("cv2")
    for images in (photos, photos.astype(np.float32)):
        y = bind("Interpolate", (3, 6, 8), size=size)(images)
        assert y.dtype == images.dtype and y.shape == (len(photos), 3, *size)
        for image, result in zip(images, y, strict=True):
            theirs = cv2.resize(np.ascontiguousarray(image.transpose(1, 2, 0)), size[::-1])
            theirs = theirs.reshape(*size, 3).transpose(2, 0, 1)
            np.testing.assert_allclose(
                result.astype(float), theirs.astype(float), atol=0 if y.dtype == np.uint8 else 1e-4
            )


def test_what_is_wrong(bind):
    with pytest.raises(ValidationError, match="at least 2"):
        TRANSFORMS.parse({"type": "Interpolate", "size": 4})
    with pytest.raises(ShapeError, match="Interpolate takes images"):
        bind("Interpolate", (3, 6), size=(2, 2))
