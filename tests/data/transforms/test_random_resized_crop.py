import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.base import Draw
from netspec.data.transforms.base_geometric import Numbers
from netspec.data.transforms.random_resized_crop import RandomResizedCrop
from tests.helpers.geometry import drawn, pictures, resized


def part(sample, height, width, scale, ratio):
    """The definition: draw until it fits, or give up and take the middle."""
    for again in range(10):
        draw = lambda name: drawn("RandomResizedCrop 0", name, sample)  # noqa: E731
        area = height * width * (scale[0] + (scale[1] - scale[0]) * draw(f"area {again}"))
        wide = ratio[0] * (ratio[1] / ratio[0]) ** draw(f"ratio {again}")
        w, h = round(math.sqrt(area * wide)), round(math.sqrt(area / wide))
        if 0 < h <= height and 0 < w <= width:
            return int(draw("top") * (height - h + 1)), int(draw("left") * (width - w + 1)), h, w
    h, w = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(("scale", "ratio"), [((0.08, 1.0), (3 / 4, 4 / 3)), ((1.0, 1.0), (0.5, 0.6))])
def test_the_part_that_is_drawn(bind, scale, ratio):
    x = pictures(12, (2, 17, 23))
    y = bind("RandomResizedCrop", (2, 17, 23), size=(6, 5), scale=scale, ratio=ratio)(x)
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        box = part(sample, 17, 23, scale, ratio)
        np.testing.assert_allclose(after, resized(before, (6, 5), box), rtol=1e-4, atol=1e-5)


def test_parts_have_the_areas_and_proportions_that_are_asked_for():
    crop = RandomResizedCrop(size=4)
    n = 2000
    numbers = Numbers(Draw(1, np.zeros(n, np.int64), np.arange(n)), "s")
    parts = np.array([crop._part((400, 400), numbers.of(i)) for i in range(n)])
    share, ratio = parts[:, 2] * parts[:, 3] / 160_000, parts[:, 3] / parts[:, 2]
    assert 0.079 < share.min() < 0.09 and share.max() > 0.9
    assert 0.745 < ratio.min() < 0.76 and 1.32 < ratio.max() < 1.34
    assert abs(np.log(ratio).mean()) < 0.015
    assert (parts[:, 0] + parts[:, 2] <= 400).all() and (parts[:, 1] + parts[:, 3] <= 400).all()


def test_test_shows_the_middle(bind):
    # 16x24, 8x8 asked for, 0.75: the largest square is 16x16, its middle 12x12 begins at row 2, column 6
    x = pictures(2, (2, 16, 24))
    y = bind("RandomResizedCrop", (2, 16, 24), "TEST", size=8, test_share=0.75)(x)
    np.testing.assert_allclose(y[1], resized(x[1], (8, 8), (2, 6, 12, 12)), rtol=1e-5, atol=1e-5)
    whole = bind("RandomResizedCrop", (2, 16, 24), "TEST", size=(16, 24), test_share=1.0)(x)
    np.testing.assert_array_equal(whole, x)


def test_fields_that_make_no_sense():
    for fields in ({"scale": (0.5, 0.1)}, {"scale": (0.0, 1.0)}, {"scale": (0.5, 1.5)}, {"ratio": (2.0, 1.0)}):
        with pytest.raises(ValidationError, match=next(iter(fields))):
            RandomResizedCrop(size=4, **fields)


@pytest.mark.parametrize(("ratio", "part"), [((50, 100), (9, 0, 1, 20)), ((0.01, 0.012), (0, 9, 20, 1))])
def test_a_part_has_at_least_a_pixel(ratio, part):
    numbers = Numbers(Draw(1, np.zeros(1, np.int64), np.arange(1)), "s")
    assert RandomResizedCrop(size=4, scale=(1, 1), ratio=ratio)._part((20, 20), numbers.of(0)) == part
