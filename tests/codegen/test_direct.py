import numpy as np
import pytest

from netspec.codegen.direct import call
from netspec.kernels import copy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_runs_by_itself(dtype):
    x, y = np.arange(40_000, dtype=dtype), np.full(40_000, np.nan, dtype)
    call(copy.copy, dtype, x, y)  # more than one part of a program's step
    np.testing.assert_array_equal(y, x)


def test_arguments_are_checked():
    x = np.zeros(3, np.float32)
    with pytest.raises(TypeError, match="takes 2 arguments, not 1"):
        call(copy.copy, "float32", x)
    with pytest.raises(TypeError, match="'y' must be a contiguous float32 array"):
        call(copy.copy, "float32", x, np.zeros((3, 2), np.float32)[:, 0])
