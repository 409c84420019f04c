"""Routes of values, and the blocks that they become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.codegen import driver
from netspec.lowering.moving import Route, Step, moving, steps


def test_steps_follow_the_layout() -> None:
    assert steps((2, 3, 4, 5), "NCHW") == (60, 20, 5, 1)
    assert steps((2, 3, 4, 5), "NHWC") == (60, 1, 15, 3)
    assert steps((2, 3, 4), "NHWC") == (12, 4, 1)
    assert steps((), "NCHW") == ()


@pytest.mark.parametrize(
    ("axes", "outer", "rows", "columns"),
    [
        ((Step(2, 60, 60), Step(3, 20, 20), Step(20, 1, 1)), 0, 1, 120),
        ((Step(2, 60, 60), Step(3, 20, 1), Step(20, 1, 3)), 1, 3, 20),
        ((Step(2, 24, 12), Step(3, 8, 4), Step(4, 1, 1)), 0, 6, 4),
        ((), 0, 1, 1),
    ],
)
def test_axes_that_follow_each_other_are_one(axes: tuple[Step, ...], outer: int, rows: int, columns: int) -> None:
    call = moving(np.zeros(120), np.zeros(120), Route(axes))
    table, moved = call.args[2:]
    assert (len(table) // 3, moved.rows, moved.columns) == (outer, rows, columns)


@given(data=st.data())
def test_any_order_of_any_axes(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    order = data.draw(st.permutations(range(len(shape))))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    y = np.full([shape[axis] for axis in order], np.nan)
    of_x = steps(tuple(shape), "NCHW")
    route = Route(tuple(map(Step, y.shape, (of_x[axis] for axis in order), steps(y.shape, "NCHW"))))
    driver.run([moving(x, y, route)], "float64")
    np.testing.assert_array_equal(y, x.transpose(order))
    back = np.full(shape, np.nan)
    driver.run([moving(y, back, route.back())], "float64")
    np.testing.assert_array_equal(back, x)
