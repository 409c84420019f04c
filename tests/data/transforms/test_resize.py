import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ANY, ShapeError
from netspec.data.transforms.resize import Resize
from tests.helpers.geometry import pictures, resized


@pytest.mark.parametrize(
    ("size", "old", "new"),
    [
        (256, (480, 640), (256, 341)),  # torchvision: int(256 * 640 / 480)
        (256, (640, 480), (341, 256)),
        (7, (5, 9), (7, 12)),
        (3, (3, 3), (3, 3)),
        ((4, 9), (5, 6), (4, 9)),
        (8, (ANY, ANY), (ANY, ANY)),
        ((4, 9), (ANY, 7), (4, 9)),
        (1, (2, 1000), (1, 500)),
    ],
)
def test_the_size(size, old, new):
    assert Resize(size=size).output_shape((3, *old)) == (3, *new)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_the_whole_image_in_another_size(bind, phase):
    x = pictures(4)
    y = bind("Resize", (2, 7, 9), phase, size=4)(x)
    for before, after in zip(x, y, strict=True):
        np.testing.assert_allclose(after, resized(before, (4, 5), (0, 0, 7, 9)), rtol=1e-5, atol=1e-5)


def test_bytes_stay_bytes(bind, images):
    y = bind("Resize", (2, 5, 6), size=(3, 8))(images)
    assert y.dtype == np.uint8
    assert abs(y[3] - resized(images[3], (3, 8), (0, 0, 5, 6))).max() <= 0.501


def test_sizes_that_make_no_sense():
    for size in (0, (1, 2, 3), (), 2.5):
        with pytest.raises(ValidationError):
            Resize(size=size)
    with pytest.raises(ShapeError, match="Resize takes images"):
        Resize(size=3).output_shape((4,))
