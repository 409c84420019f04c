"""Channels last and back: any number of channels and pixels, whole tiles or not."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.calls import Call
from netspec.kernels import copy
from tests.helpers.checks import blob


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape",
    [(2, 3, 7), (3, 1, 5), (1, 16, 32), (2, 19, 37), (2, 48, 130), (5, 33, 1), (1, 3, 1000), (3, 2, 37), (2, 2, 16)],
)
def test_there_and_back(shape: tuple[int, int, int], dtype: str) -> None:
    x = blob(*shape).astype(dtype)
    y, z = np.full(x.size, np.nan, dtype), np.full(x.size, np.nan, dtype)
    driver.run([Call(copy.to_channels_last, x.reshape(-1), y, *shape, parts=3)], dtype)
    np.testing.assert_array_equal(y.reshape(shape[0], shape[2], shape[1]), x.transpose(0, 2, 1))
    driver.run([Call(copy.to_channels_first, y, z, *shape, parts=3)], dtype)
    np.testing.assert_array_equal(z.reshape(shape), x)
