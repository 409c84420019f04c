import numpy as np
import pytest


def test_bytes_come_into_zero_to_one(bind):
    x = np.array([[0, 1, 128], [255, 64, 2]], np.uint8)
    y = bind("Scale", (3,), factor=0.00390625)(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[0, 0.00390625, 0.5], [0.99609375, 0.25, 0.0078125]])


@pytest.mark.parametrize("stored", [np.uint8, np.int64, np.float64, ">i2", np.float32, np.bool_])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_the_result_is_in_the_nets_float_type(bind, stored, real):
    assert bind("Scale", (2,), real=real, factor=3)(np.ones((1, 2), stored)).dtype == real
