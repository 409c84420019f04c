"""Twins: equal samples, and images that look alike, against a comparison of every pair with every other."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.survey.twins import SIDE, alike, equal_groups, hashes


def grey(seed, height=37, width=41):
    """A smooth picture: few waves of random direction."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = sum(
        random.uniform(20, 50)
        * np.sin(random.uniform(-0.2, 0.2) * x + random.uniform(-0.2, 0.2) * y + random.uniform(0, 6))
        for _ in range(4)
    )
    return np.clip(128 + waves, 0, 255).astype(np.uint8)


def looked(images):
    found, small = zip(*map(hashes, images), strict=True)
    return np.array(found, np.uint64), np.array(small)


def test_a_hash_says_which_of_two_neighbours_is_brighter() -> None:
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (80, 1))
    assert hashes(ramp)[0] == 2**64 - 1  # each right neighbour is brighter
    assert hashes(ramp[:, ::-1])[0] == 0
    assert hashes(np.full((7, 5), 9, np.uint8))[0] == 0
    assert hashes(ramp)[1].shape == (SIDE, SIDE)


def test_changed_pictures_are_found_and_others_are_not() -> None:
    from PIL import Image

    images = [grey(seed) for seed in range(30)]
    random = np.random.default_rng(0)
    resized = np.asarray(Image.fromarray(images[3]).resize((80, 71), Image.Resampling.BICUBIC))
    noisy = np.clip(images[11] + random.normal(0, 2, images[11].shape), 0, 255).astype(np.uint8)
    assert alike(*looked([*images, resized, noisy])) == [(3, 30), (11, 31)]
    assert alike(*looked(images)) == []


@pytest.mark.parametrize("bits", range(7))
def test_up_to_four_bits_may_differ(bits) -> None:
    """The places of the bits do not matter: whatever part of the hash they are in."""
    random = np.random.default_rng(bits)
    small = np.tile(grey(1, SIDE, SIDE), (2, 1, 1))
    for _ in range(50):
        first = int(random.integers(0, 2**63))
        second = first
        for place in random.choice(64, bits, replace=False):
            second ^= 1 << int(place)
        assert alike(np.array([first, second], np.uint64), small) == ([(0, 1)] if bits <= 4 else [])


def test_flat_pictures_are_like_no_other() -> None:
    flat = [np.full((9, 11), value, np.uint8) for value in (0, 1, 200)]
    assert alike(*looked(flat)) == []


def test_equal_samples_stand_in_one_group() -> None:
    assert equal_groups([b"a", b"b", b"a", b"c", b"b", b"a"]) == [[0, 2, 5], [1, 4]]
    assert equal_groups([]) == []
