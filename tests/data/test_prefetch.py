"""The position of a Prefetcher: which batch comes next, or that nobody knows."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.prefetch import Prefetcher
from tests.helpers.forks import in_child


class Counting:
    """A feed whose batches hold their positions, and which fails at some."""

    def __init__(self, *bad: int) -> None:
        self.bad = bad

    def buffers(self, size: int) -> tuple[np.ndarray, ...]:
        return (np.zeros((size, 2)),)

    def fill(self, position: int, into: tuple[np.ndarray, ...]) -> None:
        if position in self.bad:
            raise DataError("gone")
        into[0][...] = position


def prefetcher(*bad: int, **words: Any) -> Prefetcher:
    return Prefetcher(Counting(*bad), 6, 3, **words)  # type: ignore[arg-type]


def test_the_position_is_that_of_the_next_batch() -> None:
    into = (np.zeros((3, 2)),)
    with prefetcher(step=4) as one:
        for wanted in (6, 10, 14):
            assert one.position == wanted
            one.take(into)
            assert (into[0] == wanted).all()


def test_nobody_knows_the_position_after_a_take_that_failed() -> None:
    into = (np.zeros((3, 2)),)
    with prefetcher(9) as one:
        one.take(into)
        with pytest.raises(DataError, match="gone"):
            one.take(into)
        assert one.position is None
    with prefetcher() as one:
        with pytest.raises(ValueError, match="a batch of"):
            one.take((np.zeros((2, 2)),))
        assert one.position is None
        one.take(into)
        assert one.position is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_have_the_thread() -> None:
    with prefetcher() as one:
        assert in_child(lambda: one.position is None and one.close() is None) == 0
        assert one.position == 6
