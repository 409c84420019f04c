"""Black and white: images whose values lie beyond them are refused, where they would be cut off."""

import numpy as np
import pytest

from netspec.data.transforms.base_pixels import WhiteError

SHAPE = (3, 6, 8)
CLIPPING = [("Noise", {"gaussian": 0.1}), ("ColorJitter", {"contrast": 0.2})]


@pytest.mark.parametrize(("type", "fields"), CLIPPING)
@pytest.mark.parametrize(
    ("kind", "least", "most", "white", "fault"),
    [
        (np.float32, -0.5, 0.5, None, "the value -0.5, but black is 0 and white is 1"),
        (np.float32, 0, 255, None, "the value 255, but black is 0 and white is 1"),
        (np.uint8, 0, 255, 100, "the value 255, but black is 0 and white is 100"),
        (np.int64, 0, 255, None, "images are int64 here"),
        (np.int16, -3, 255, 255, "the value -3, but"),
    ],
)
def test_values_beyond_black_and_white(bind, type, fields, kind, least, most, white, fault):
    x = np.full((2, *SHAPE), least, kind)
    x[0, 1, 2, 3] = most
    given = fields if white is None else fields | {"white": white}
    with pytest.raises(WhiteError, match=fault):
        bind(type, SHAPE, **given)(x)
    bind(type, SHAPE, phase="TEST", **given)(x)


@pytest.mark.parametrize(("type", "fields"), CLIPPING)
@pytest.mark.parametrize(
    ("kind", "most", "white"), [(np.float32, 1.0001, None), (np.uint16, 65535, None), (np.int64, 255, 255)]
)
def test_values_between_them(bind, type, fields, kind, most, white):
    given = fields if white is None else fields | {"white": white}
    y = bind(type, SHAPE, **given)(np.full((1, *SHAPE), most, kind))
    assert y.dtype == kind and 0.5 * most < y.mean() <= most
