"""bilinear: the profiles of upsampling filters."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill
from tests.helpers import naive

PROFILES = {
    1: [1],
    2: [0.5, 0.5],
    3: [0.5, 1, 0.5],
    4: [0.25, 0.75, 0.75, 0.25],
    5: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3],
    6: [1 / 6, 0.5, 5 / 6, 5 / 6, 0.5, 1 / 6],
    7: [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25],
    8: [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125],
}


@pytest.mark.parametrize("size", PROFILES)
def test_profiles(fill: Fill, size: int) -> None:
    w = fill("bilinear", (3, 2, size, size))
    np.testing.assert_allclose(w, np.broadcast_to(np.outer(PROFILES[size], PROFILES[size]), w.shape), rtol=1e-14)
    np.testing.assert_allclose(w[2, 1], naive.bilinear(size), rtol=1e-14)


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (3, 4, 4), ()])
def test_refused_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="K x C x F x F"):
        FILLERS.parse("bilinear").check(shape)
