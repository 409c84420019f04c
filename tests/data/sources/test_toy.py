"""Toy points against the figures' own formulas, and numbers that are equal on every machine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.sources.toy import Toy, _turned


def points(kind: str, samples: int = 60, **fields):
    data = Toy(kind=kind, samples=samples, **fields).open(None)
    return data, *data.read(np.arange(samples))


def test_turns_are_cosine_and_sine() -> None:
    turns = np.linspace(-2.3, 3.1, 1001)
    x, y = _turned(turns)
    np.testing.assert_allclose(x, [math.cos(2 * math.pi * t) for t in turns], rtol=0, atol=2e-14)
    np.testing.assert_allclose(y, [math.sin(2 * math.pi * t) for t in turns], rtol=0, atol=2e-14)
    np.testing.assert_array_equal(np.stack(_turned(np.array([0, 0.25, 0.5, 0.75]))), [[1, 0, -1, 0], [0, 1, 0, -1]])


@pytest.mark.parametrize("kind", ["xor", "moons", "circles", "spirals", "blobs"])
def test_points_without_noise_lie_on_their_figure(kind: str) -> None:
    data, x, label = points(kind, noise=0.0)
    classes = 3 if kind == "blobs" else 2
    assert data.shapes == ((2,), ()) and label.tolist() == [i % classes for i in range(60)]
    assert data.labels(1).tolist() == label.tolist() and len(data.classes(1)) == classes and data.classes(0) is None
    for (a, b), k in zip(x.tolist(), label.tolist(), strict=True):
        if kind == "xor":
            assert {abs(a), abs(b)} == {1.0} and (a != b) == k
        elif kind == "moons":
            a, b = (a, b) if k == 0 else (1 - a, 0.5 - b)
            assert math.hypot(a, b) == pytest.approx(1) and b >= 0
        elif kind == "circles":
            assert math.hypot(a, b) == pytest.approx(0.5 if k else 1)
        elif kind == "spirals":
            t = math.hypot(a, b)
            turn = 2 * math.pi * (1.5 * t + k / 2)
            assert (a, b) == pytest.approx((t * math.cos(turn), t * math.sin(turn)), abs=1e-12)
        else:
            assert (a, b) == pytest.approx((math.cos(2 * math.pi * k / 3), math.sin(2 * math.pi * k / 3)))


def test_noise_has_its_deviation_and_depends_on_the_index_alone() -> None:
    data, x, _ = points("blobs", 6000, noise=0.3, classes=4)
    clean = Toy(kind="blobs", samples=6000, noise=0.0, classes=4).open(None).read(np.arange(6000))[0]
    noise = x - clean
    assert abs(noise.mean()) < 0.01 and noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.04
    assert np.mean(np.abs(noise) > 0.6) == pytest.approx(0.0455, abs=0.008)  # a normal number beyond two deviations
    np.testing.assert_array_equal(data.read(np.array([4321, 7, 7]))[0], x[[4321, 7, 7]])
    other = Toy(kind="blobs", samples=6000, noise=0.3, classes=4, seed=2).open(None).read(np.arange(6000))[0]
    assert not (other == x).any()


def test_numbers_are_equal_on_every_machine() -> None:
    _, x, _ = points("spirals", 3, noise=0.2, classes=5, seed=9)
    assert [value.hex() for value in x.reshape(-1).tolist()] == KNOWN


KNOWN = [
    "0x1.69d85500248b5p-2",
    "-0x1.2ca863ed2ffeep-2",
    "-0x1.b10cc25ea8c25p-2",
    "0x1.1deabb6c166d5p-4",
    "0x1.00e1e05d95df0p-3",
    "-0x1.32e5775141149p-1",
]


def test_a_figure_of_two_classes_has_two() -> None:
    with pytest.raises(ValidationError, match="has two classes"):
        Toy(kind="moons", samples=3, classes=3)


def test_it_says_what_it_is() -> None:
    data, *_ = points("spirals", 4, classes=3)
    assert data.describe() == "toy spirals: 4 points, noise 0.1, seed 1"
    assert data.name(2) == "point 2 of spirals" and data.classes(1) == ("spiral 0", "spiral 1", "spiral 2")
    assert Toy(kind="xor", samples=1).bundled
