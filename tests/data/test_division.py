"""Divisions of samples: parts are disjoint, cover all, and have the classes in their shares; groups stay whole."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.data.division import dealt, divided

TENTHS = [Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)]
CLASSES = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(
    lambda values: np.unique(values, return_inverse=True)[1]
)
SEEDS = st.integers(0, 3)


def whole(parts):
    """Whole numbers as shares of their sum."""
    return [Fraction(part, sum(parts)) for part in parts]


SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(whole)


def test_this_division_is_equal_on_every_machine():
    classes = np.array([0, 1] * 6)
    assert divided(classes, whole([2, 1, 1]), 1, "split").tolist() == DIVIDED
    assert divided(classes, whole([1, 1, 1]), 1, "folds").tolist() == FOLDS
    assert dealt(np.arange(12) // 3, classes, whole([3, 1]), 1, "split").tolist() == DEALT


DIVIDED = [1, 2, 0, 1, 0, 0, 1, 2, 2, 0, 0, 0]
FOLDS = [0, 1, 1, 2, 2, 0, 0, 2, 1, 1, 2, 0]
DEALT = [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]


@settings(deadline=None, max_examples=60)
@given(CLASSES, SHARES, SEEDS)
def test_parts_have_their_shares_of_all_samples(classes, shares, seed):
    parts = divided(classes, shares, seed, "split")
    assert set(parts.tolist()) <= set(range(len(shares)))  # each sample is in exactly one part
    sizes, counts = (
        np.bincount(classes),
        [np.bincount(parts[classes == c], minlength=len(shares)) for c in set(classes)],
    )
    assert all((count > 0).all() for count in counts if count.sum() >= len(shares))
    if all(share * size >= 2 for share in shares for size in sizes):  # so that no part is given what it lacks
        for count in counts:
            assert all(abs(held - share * count.sum()) < 2 for held, share in zip(count, shares, strict=True))
        total = np.bincount(parts, minlength=len(shares))
        assert all(abs(held - share * len(classes)) < 1 for held, share in zip(total, shares, strict=True))


def test_what_the_shares_leave_over_is_in_no_part():
    parts = divided(np.zeros(100, np.int64), [Fraction(1, 2), Fraction(1, 5)], 1, "split")
    assert np.bincount(parts + 1).tolist() == [30, 50, 20]


def test_a_rare_class_is_in_every_part():
    classes = np.array([0] * 100 + [1] * 3)
    parts = divided(classes, TENTHS, 1, "split")
    assert sorted(parts[100:].tolist()) == [0, 1, 2]
    assert np.bincount(parts[:100]).tolist() == [80, 10, 10]


def test_seeds_and_purposes_divide_otherwise():
    classes = np.zeros(50, np.int64)
    one, *others = [divided(classes, TENTHS, seed, word).tolist() for seed, word in [(1, "a"), (2, "a"), (1, "b")]]
    assert one == divided(classes, TENTHS, 1, "a").tolist()
    assert one not in others


@settings(deadline=None, max_examples=60)
@given(CLASSES, st.integers(2, 6), SEEDS)
def test_folds_are_as_large_as_one_another_in_every_class(classes, number, seed):
    fold_of = divided(classes, [Fraction(1, number)] * number, seed, "folds")
    assert np.ptp(np.bincount(fold_of, minlength=number)) <= 1
    for name in range(classes.max() + 1):
        assert np.ptp(np.bincount(fold_of[classes == name], minlength=number)) <= 1


@settings(deadline=None, max_examples=60)
@given(CLASSES, SHARES, SEEDS, st.data())
def test_a_group_is_in_one_part(classes, shares, seed, data):
    groups = data.draw(st.lists(st.integers(0, 7), min_size=len(classes), max_size=len(classes)))
    groups = np.unique(groups, return_inverse=True)[1]
    parts = dealt(groups, classes, shares, seed, "split")
    assert set(parts.tolist()) <= set(range(len(shares)))
    for group in range(groups.max() + 1):
        assert len(set(parts[groups == group].tolist())) == 1


def slowly(groups, classes, shares, order):
    """The deal by its definition: every part is tried for each group, with exact fractions."""
    wanted = {
        (p, c): share * int((classes == c).sum()) for p, share in enumerate(shares) for c in set(classes.tolist())
    }
    result = {}
    for group in order:
        held = classes[groups == group].tolist()

        def cost(part, held=held):
            left = dict(wanted)
            for c in held:
                left[part, c] -= 1
            return sum(value * value / int((classes == c).sum()) for (_, c), value in left.items())

        result[group] = min(range(len(shares)), key=cost)
        for c in held:
            wanted[result[group], c] -= 1
    return [result[group] for group in groups.tolist()]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_group_goes_where_it_is_wanted_most(seed):
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(9), [9, 8, 7, 6, 5, 4, 3, 2, 1])  # all sizes differ: no draw decides
    classes = random.integers(0, 3, len(groups))
    shares = whole([4, 2, 2])
    assert dealt(groups, classes, shares, seed, "split").tolist() == slowly(groups, classes, shares, range(9))


def test_groups_keep_the_shares_of_the_classes():
    random = np.random.default_rng(0)
    groups, classes = np.repeat(np.arange(200), 5), np.repeat(random.integers(0, 2, 200), 5)
    parts = dealt(groups, classes, [Fraction(1, 2), Fraction(1, 4)], 1, "split")
    for name in (0, 1):
        count = np.bincount(parts[classes == name] + 1)
        np.testing.assert_allclose(count / count.sum(), [0.25, 0.5, 0.25], atol=0.02)
