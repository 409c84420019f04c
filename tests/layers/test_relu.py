"""ReLU against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.codegen import driver
from netspec.core.calls import Run
from tests.helpers.checks import Array, blob, blobs_away_from, forward, make_layer, run_layer
from tests.helpers.oracle import against, torch_of


@given(blobs_away_from(0.0), st.sampled_from([0.0, 0.01, 0.25]))
def test_definition(x: np.ndarray, slope: float) -> None:
    (y,) = forward(make_layer("ReLU", negative_slope=slope), x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, slope * x))


@pytest.mark.parametrize("slope", [0.0, 0.01, 2.0, -0.5])
def test_derivatives(slope: float) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        return [np.array([v if v > 0 else slope * v for v in x.ravel()]).reshape(x.shape)]

    layer, x = make_layer("ReLU", negative_slope=slope), blob(2, 3, 4, 5, away_from=[0.0])
    against(oracle, layer, [x], in_torch=torch_of("nn.functional.leaky_relu", slope))


def test_the_slope_rules_at_zero() -> None:
    result = run_layer(make_layer("ReLU", negative_slope=0.25), np.zeros(3), top_diffs=[np.full(3, 4.0)])
    np.testing.assert_array_equal(result.bottom_diffs[0], [1, 1, 1])


@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.parametrize("size", [3, 16, 37, 1000])
def test_in_place(size: int, slope: float) -> None:
    """The top in the bottom's memory, and its diff in the top's diff's."""
    layer, x, v = make_layer("ReLU", negative_slope=slope), blob(size), blob(size, seed=2)
    one = run_layer(layer, x, top_diffs=[v])
    run = Run("TRAIN", (y := x.copy(),), (y,), (d := v.copy(),), (d,), (), (), np.zeros(2, np.int64), 0)
    driver.run([*layer.forward(run), *layer.backward(run)], "float64")
    np.testing.assert_array_equal(y, one.tops[0])
    np.testing.assert_array_equal(d, one.bottom_diffs[0])
    assert layer.abilities.in_place and layer.abilities.reads == {"top"}
    assert not make_layer("ReLU", negative_slope=-0.5).abilities.in_place
