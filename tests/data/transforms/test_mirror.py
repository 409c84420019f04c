import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.data.transforms.mirror import Mirror
from tests.helpers.geometry import drawn


def test_each_image_is_as_it_was_or_flipped(bind, images):
    y = bind("Mirror", (2, 5, 6))(images)
    flipped = [(y[i] == images[i, :, :, ::-1]).all() for i in range(7)]
    kept = [(y[i] == images[i]).all() for i in range(7)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert any(flipped)
    assert any(kept)


def test_half_of_the_images_are_flipped(bind):
    x = np.broadcast_to(np.array([0, 1]).reshape(1, 1, 1, 2), (10_000, 1, 1, 2))
    assert abs(bind("Mirror", (1, 1, 2))(x)[:, 0, 0, 0].mean() - 0.5) < 0.02


def test_no_image_is_flipped_in_test_phase(bind, images):
    np.testing.assert_array_equal(bind("Mirror", (2, 5, 6), "TEST")(images), images)


def test_a_sample_is_flipped_the_same_in_any_batch(bind, images):
    mirror = bind("Mirror", (2, 5, 6))
    np.testing.assert_array_equal(mirror(images[::-1], np.arange(7)[::-1])[::-1], mirror(images))


def test_only_images_have_a_left_and_a_right():
    with pytest.raises(ShapeError, match="takes images"):
        Mirror().output_shape((3,))


@pytest.mark.parametrize("axis", ["vertical", "both"])
def test_other_axes(bind, images, axis):
    y = bind("Mirror", (2, 5, 6), axis=axis)(images)
    across = bind("Mirror", (2, 5, 6))(images)  # the stream of left and right is what it was
    for sample in range(7):
        expected = across[sample] if axis == "both" else images[sample]
        down = drawn("Mirror 0", "vertical", sample) < 0.5
        np.testing.assert_array_equal(y[sample], expected[:, ::-1] if down else expected)
    np.testing.assert_array_equal(bind("Mirror", (2, 5, 6), "TEST", axis=axis)(images), images)
