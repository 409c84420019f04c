"""positive_unitball: positive, and every output's weights add up to 1."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill


@pytest.mark.parametrize("shape", [(5, 2, 4, 3), (7, 20)])
def test_slices_add_up_to_1(fill: Fill, shape: tuple[int, ...]) -> None:
    x = fill("positive_unitball", shape)
    assert x.min() > 0 and x.max() <= 1
    np.testing.assert_allclose(x.reshape(shape[0], -1).sum(1), 1)


def test_a_scalar_has_no_slices() -> None:
    with pytest.raises(ShapeError):
        FILLERS.parse("positive_unitball").check(())
