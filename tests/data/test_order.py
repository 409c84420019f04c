"""Orders of samples: what one epoch holds, that positions alone decide, and that classes come equally often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core import rng
from netspec.data.class_labels import NoClassesError
from netspec.data.feed import OrderError, open_feed
from netspec.data.order import Balanced, Sequential, Shuffled
from netspec.data.spec import FeedSpec, FeedsSpec

LABELS = np.array([0] * 7 + [1] * 2 + [2] * 4)
N = len(LABELS)


def turns(order, start, size):
    return order.at(*np.divmod(np.arange(start, start + size), order.number))


def test_a_shuffled_epoch_is_a_permutation_by_its_number():
    key, index = turns(Shuffled(N, 5), 0, 3 * N)
    expected = np.concatenate([rng.permutation(N, 5, "shuffle", epoch) for epoch in range(3)])
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(key, np.repeat(np.arange(3), N))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([Sequential(N), Shuffled(N, 3), Balanced(LABELS, 3)]),
    st.integers(0, 60),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_turns_are_functions_of_their_position(order, start, sizes):
    whole = turns(order, start, sum(sizes))
    starts = [start + sum(sizes[:i]) for i in range(len(sizes))]
    pieces = [turns(order, at, size) for at, size in zip(starts, sizes, strict=True)]
    for one, cut in zip(whole, zip(*pieces, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(cut))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 3))
def test_every_class_comes_equally_often(labels, seed):
    labels = np.array(labels)
    order, present = Balanced(labels, seed), np.unique(labels)
    for epoch in range(6):
        _, index = turns(order, epoch * len(labels), len(labels))
        counts = [(labels[index] == one).sum() for one in present]
        assert np.ptp(counts) <= 1
    _, index = turns(order, 0, len(present) * len(labels))
    assert {(labels[index] == one).sum() for one in present} == {
        len(labels)
    }  # after as many epochs as classes, exactly


def test_samples_of_a_class_go_round_and_never_draw_alike():
    key, index = turns(Balanced(LABELS, 1), 0, 12 * N)
    assert len(set(zip(key.tolist(), index.tolist(), strict=True))) == 12 * N
    for one in (0, 1, 2):
        counts = np.bincount(index[LABELS[index] == one], minlength=N)[one == LABELS]
        assert np.ptp(counts) <= 1


SAID = tuple(LABELS.tolist())


def spec(labels=SAID, **fields):
    source = {"type": "Arrays", "values": (tuple(range(len(labels))), labels)}
    return FeedSpec.model_validate({"source": source, "batch_size": 2, **fields})


def test_a_balanced_feed():
    feed = open_feed(spec(balance="classes"), "TRAIN", 1)
    assert len(feed) == N
    _, labels = feed.batch(0, 3 * N)
    assert np.bincount(labels.astype(int)).tolist() == [N, N, N]
    _, index = turns(Balanced(LABELS, 1), 4, 5)
    np.testing.assert_array_equal(feed.batch(4, 5)[0], index)


def test_classes_that_cannot_be_balanced():
    with pytest.raises(NoClassesError):
        open_feed(spec((0.5, 1.0, 2.0), balance="classes"), "TRAIN", 1)
    with pytest.raises(OrderError, match="drawing"):
        open_feed(spec(balance="classes", shuffle=False), "TRAIN", 1)
    test = {"source": {"type": "Arrays", "values": ((1, 2),)}, "batch_size": 1, "balance": "classes"}
    with pytest.raises(ValidationError, match="a test has each sample once"):
        FeedsSpec.model_validate({"test": test})
