"""gaussian: mean, deviation, and the share that `sparse` keeps."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill


def test_moments(fill: Fill) -> None:
    x = fill("gaussian", (1000, 2, 4, 5), mean=0.5, std=0.1)
    assert abs(x.mean() - 0.5) < 4 * 0.1 / np.sqrt(x.size)
    assert abs(x.std() / 0.1 - 1) < 0.02


def test_sparse_keeps_so_many_outputs_of_an_input(fill: Fill) -> None:
    x = fill("gaussian", (50, 2000), sparse=10)
    share = (x != 0).mean()
    assert abs(share - 10 / 50) < 4 * np.sqrt(0.2 * 0.8 / x.size)
    assert abs(x[x != 0].std() - 1) < 0.03


def test_limits() -> None:
    assert not FILLERS.parse({"type": "gaussian", "sparse": 0}).fill((3, 4), np.random.default_rng(1)).any()
    with pytest.raises(ShapeError, match="more than the 3 outputs of 3x4") as caught:
        FILLERS.parse({"type": "gaussian", "sparse": 4}).check((3, 4))
    assert caught.value.field == "sparse"
    with pytest.raises(ValidationError):
        FILLERS.parse({"type": "gaussian", "std": 0.0})
    with pytest.raises(ValidationError):
        FILLERS.parse({"type": "uniform", "sparse": 1})
