"""MixUp sample by sample; the distribution of its shares; what cannot be mixed."""

import numpy as np
import pytest

from netspec.data.labels import BadLabelError
from netspec.data.transforms.base import Draw
from netspec.data.transforms.base_soft import MixedError, beta

SHAPES = ((2, 3, 5), ())


def batch(n=4):
    x = np.random.default_rng(2).integers(0, 256, (n, 2, 3, 5)).astype(np.uint8)
    return x, np.arange(n) % 3


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_against_a_loop_over_samples(bind_all, alpha):
    x, label = batch()
    index = np.array([6, 2, 9, 4])
    y, soft = bind_all("MixUp", SHAPES, classes=3, alpha=alpha)(x, label, index=index, epoch=5)
    shares = beta(Draw(3, np.full(4, 5), index), "MixUp 0 share", alpha)
    assert len(set(shares.tolist())) == 4
    for i, m in enumerate(shares.tolist()):
        other = i - 1 if i else 3
        np.testing.assert_allclose(y[i], m * x[i].astype(float) + (1 - m) * x[other], rtol=1e-5)
        wanted = np.zeros(3)
        wanted[label[i]] += m
        wanted[label[other]] += 1 - m
        np.testing.assert_allclose(soft[i], wanted, atol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_are_of_a_beta_distribution(alpha):
    draw = Draw(1, np.zeros(40000, np.int64), np.arange(40000))
    m = beta(draw, "share", alpha)
    assert m.min() >= 0 and m.max() <= 1
    assert m.mean() == pytest.approx(0.5, abs=0.01)
    assert m.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)  # the variance of Beta(a, a)
    fourth = ((m - 0.5) ** 4).mean()
    assert fourth == pytest.approx(3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)), rel=0.05)


def test_in_test_nothing_is_mixed_and_labels_are_soft(bind_all):
    x, label = batch()
    y, soft = bind_all("MixUp", SHAPES, phase="TEST", classes=3)(x, label)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(soft, np.eye(3)[label])


def test_soft_labels_are_mixed_as_they_are(bind_all):
    x, label = batch()
    soft = np.eye(3, dtype=np.float32)[label]
    hard = bind_all("MixUp", SHAPES, classes=3)(x, label)
    again = bind_all("MixUp", ((2, 3, 5), (3,)))(x, soft)
    for one, other in zip(hard, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_share_of_the_samples(bind_all):
    x, label = batch(400)
    y, soft = bind_all("MixUp", SHAPES, classes=3, probability=0.5, alpha=1)(x, label)
    whole = soft.max(axis=1) == 1
    assert 150 < (y == x).all(axis=(1, 2, 3)).sum() < 250
    assert whole[(y == x).all(axis=(1, 2, 3))].all()


@pytest.mark.parametrize(
    ("shapes", "fields", "text"),
    [
        (((3, -1, -1), ()), {"classes": 3}, "mixes samples of one size"),
        (((2, 3, 5), ()), {}, "labels that are numbers"),
        (((2, 3, 5), (3,)), {"classes": 3}, "takes a label for each sample"),
        (((2, 3, 5), (3, 5)), {"classes": 3}, "takes a label for each sample"),
    ],
)
def test_what_cannot_be_mixed(bind_all, shapes, fields, text):
    with pytest.raises(MixedError, match=text):
        bind_all("MixUp", shapes, **fields)


def test_a_label_that_is_no_class(bind_all):
    x, _ = batch()
    with pytest.raises(BadLabelError, match="sample 2 of array 1 has the label 3"):
        bind_all("MixUp", SHAPES, classes=3)(x, np.array([0, 1, 3, 2]))
