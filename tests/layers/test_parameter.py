"""Parameter: its blob as a top."""

from __future__ import annotations

import numpy as np
import pytest

import netspec
from tests.helpers.checks import make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("shape", [[2, 3, 5], [7], []])
def test_the_top_is_the_param(shape: list[int]) -> None:
    against(lambda _, params: params, make_layer("Parameter", shape=shape), [])


def test_it_starts_at_0_unless_a_filler_says_otherwise() -> None:
    layers = [
        {"name": "zero", "type": "Parameter", "shape": [2, 3]},
        {"name": "filled", "type": "Parameter", "shape": 4, "filler": {"type": "constant", "value": 2.5}},
        {"name": "scalar", "type": "Parameter", "shape": []},
    ]
    tops = netspec.Net({"layers": layers}, phase="TRAIN").forward()
    np.testing.assert_array_equal(tops["zero"], np.zeros((2, 3)))
    np.testing.assert_array_equal(tops["filled"], np.full(4, 2.5))
    assert tops["scalar"].shape == ()
