"""Fixtures of the filler tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.fillers.base import FILLERS

Fill = Callable[..., np.ndarray]


@pytest.fixture
def fill() -> Fill:
    """`fill("xavier", (4, 5), variance_norm="AVERAGE")`: checked values of a shape, drawn with seed 1."""

    def run(word: str, shape: tuple[int, ...], **fields: Any) -> np.ndarray:
        filler = FILLERS.parse({"type": word, **fields})
        filler.check(shape)
        values = filler.fill(shape, np.random.default_rng(1))
        assert values.shape == shape and values.dtype == np.float64
        assert np.array_equal(values, filler.fill(shape, np.random.default_rng(1)))
        other = np.array_equal(values, filler.fill(shape, np.random.default_rng(2)))
        assert other != filler.random, "`random` says whether the values depend on the generator"
        return values

    return run
