import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core import rng


def test_keys_of_different_parts_differ():
    keys = {
        rng.key(1, "a"),
        rng.key(1, "a", 0),
        rng.key(1, "a0"),
        rng.key(1, 0, "a"),
        rng.key(2, "a"),
        rng.key(1),
        rng.key(1, "1"),
        rng.key(1, 1),
    }
    assert len(keys) == 8
    assert all(0 <= key < 2**128 for key in keys)


def test_key_is_a_plain_hash_that_any_language_can_compute():
    # printf 'i7;s4:drop' | b2sum -l 128, read with its first byte lowest
    assert rng.key(7, "drop") == int.from_bytes(bytes.fromhex("838b4e2d01e6e5734cc77d930e67adeb"), "little")


def test_orders_and_draws_stay_what_they_were():
    # a change here changes every training that anyone has recorded
    np.testing.assert_array_equal(rng.permutation(7, 1, "shuffle", 0), [5, 6, 3, 4, 0, 1, 2])
    np.testing.assert_allclose(rng.uniform(1, "crop", np.arange(3)), [0.76119858, 0.77656811, 0.94343333], atol=1e-8)


def test_generators_of_one_name_repeat_and_of_two_differ():
    a, b, c = (rng.generator(3, "fill", word).standard_normal(5) for word in ("x", "x", "y"))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 2**62), st.integers(0, 50))
def test_permutation_holds_each_index_once(n, seed, epoch):
    order = rng.permutation(n, seed, "shuffle", epoch)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_permutations_of_two_epochs_differ():
    assert (rng.permutation(1000, 1, "shuffle", 0) != rng.permutation(1000, 1, "shuffle", 1)).mean() > 0.9


def test_the_finaliser_is_splitmix64():
    # the published outputs of SplitMix64 with seed 1234567
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    states = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    np.testing.assert_array_equal(rng._mixed(states), np.array(known, np.uint64))


def test_uniform_covers_zero_to_one_evenly():
    draws = rng.uniform(5, "mirror", np.zeros(100_000, np.int64), np.arange(100_000))
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, 10, (0, 1))[0]
    assert abs(counts - 10_000).max() < 500  # five standard deviations


def test_uniform_does_not_correlate_across_epochs_indices_and_purposes():
    index, zero = np.arange(20_000), np.zeros(20_000, np.int64)
    draws = [
        rng.uniform(5, "a", zero, index),
        rng.uniform(5, "a", zero + 1, index),
        rng.uniform(5, "a", zero, index + 1),
        rng.uniform(5, "b", zero, index),
        rng.uniform(6, "a", zero, index),
        rng.uniform(5, "a", index, zero),
    ]
    assert abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.04


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.integers(0, 19))
def test_a_draw_depends_on_its_own_counters_alone(index, at):
    at %= len(index)
    together = rng.uniform(1, "crop", np.full(len(index), 4), np.array(index))
    alone = rng.uniform(1, "crop", np.array([4]), np.array(index[at : at + 1]))
    assert together[at] == alone[0]


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_extreme_seeds_work(seed):
    assert 0 <= rng.uniform(seed, "x", np.array([2**62]))[0] < 1
    assert len(rng.permutation(3, seed)) == 3
