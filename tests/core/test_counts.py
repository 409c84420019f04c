"""Counts: what may be written, and when epochs end."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from netspec.core.counts import AnyCount, Count, Pace, PositiveCount

PACE = Pace(epoch=10, iteration=4)
"""10 samples in batches of 4: epochs end at iterations 3, 5, 8, 10, ..."""


def test_what_may_be_written() -> None:
    positive, any_count = TypeAdapter(PositiveCount), TypeAdapter(AnyCount)
    assert positive.validate_python(7) == Count(7)
    assert positive.validate_python("7 epochs") == Count(7, in_epochs=True)
    assert positive.validate_python("1 epoch") == Count(1, in_epochs=True)
    assert any_count.validate_python(0) == Count(0) and not any_count.validate_python("0 epochs")
    assert [positive.dump_python(Count(2000, epochs)) for epochs in (False, True)] == [2000, "2000 epochs"]
    for value in (
        0,
        -1,
        1.5,
        True,
        "7",
        "1.5 epochs",
        "0 epochs",
        "epochs",
        "-1 epochs",
        "٣ epochs",
        "7 iterations",
        None,
    ):
        with pytest.raises(ValidationError):
            positive.validate_python(value)
    with pytest.raises(ValidationError):
        any_count.validate_python(-1)


def test_epochs_end_where_a_batch_reaches_the_last_sample() -> None:
    assert [PACE.end(k) for k in range(5)] == [0, 3, 5, 8, 10]
    assert [PACE.epochs(i) for i in range(11)] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4]
    for without in (Pace(None, 4).end, Pace(None, 4).epochs):
        with pytest.raises(ValueError, match="no epochs"):
            without(1)


@pytest.mark.parametrize("epoch", [3, 10, 33])
@pytest.mark.parametrize("count", [Count(1), Count(3), Count(1, in_epochs=True), Count(4, in_epochs=True)])
def test_endings_are_counted_without_a_walk(count: Count, epoch: int) -> None:
    pace = Pace(epoch, iteration=4)
    for first in range(5):
        for last in range(-1, 21):
            found = sum(count.ends(n, pace) for n in range(first, last + 1))
            assert count.endings(first, last, pace) == found, (first, last)
    assert Count(3).endings(1, 3 * 10**14, pace) == 10**14


def test_counts_in_both_units() -> None:
    two, three = Count(2, in_epochs=True), Count(3)
    assert [two.iterations(PACE, k) for k in range(3)] == [0, 5, 10]
    assert [i for i in range(11) if two.ends(i, PACE)] == [0, 5, 10]
    assert [two.times(i, PACE) for i in (4, 5, 9, 10)] == [0, 1, 1, 2]
    assert [i for i in range(11) if three.ends(i, PACE)] == [0, 3, 6, 9]
    one, small = Count(1, in_epochs=True), Pace(epoch=3, iteration=10)
    assert [one.ends(i, small) for i in range(3)] == [True] * 3  # an iteration may hold several epochs
