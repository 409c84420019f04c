"""PCA beside scikit-learn, and by what it promises."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS

MIX = np.random.default_rng(1).normal(size=(6, 6))
X = np.random.default_rng(2).normal(size=(40, 6)) * [5, 3, 2, 1, 0.5, 0.1] @ MIX + 7
PARTS = [X[:9], X[9:30], X[30:]]


def bound(bind_all, whole=False, **fields):
    return bind_all("PCA", ((6,),), real=np.float64, training=[(part,) for part in ([X] if whole else PARTS)], **fields)


def test_worked_by_hand(bind_all):
    x = np.array([[2.0, 2], [-2, -2], [1, -1], [-1, 1]])  # axes (1, 1) and (1, -1), variances 16/3 and 4/3
    run = bind_all("PCA", ((2,),), real=np.float64, training=[(x,)], components=2)
    root = 2**0.5
    np.testing.assert_allclose(abs(run(x)[0]), [[2 * root, 0], [2 * root, 0], [0, root], [0, root]], atol=1e-12)
    white = bind_all("PCA", ((2,),), real=np.float64, training=[(x,)], components=2, whiten=True)(x)[0]
    np.testing.assert_allclose(abs(white[0, 0]), 2 * root / (16 / 3) ** 0.5)


def test_coordinates_are_uncorrelated_and_largest_first(bind_all):
    (y,) = bound(bind_all, components=4)(X)
    covariance = np.cov(y.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-8)
    assert (np.diff(np.diag(covariance)) < 0).all()
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T)))[::-1]
    np.testing.assert_allclose(np.diag(covariance), values[:4], rtol=1e-9)
    np.testing.assert_allclose(np.cov(bound(bind_all, components=4, whiten=True)(X)[0].T), np.eye(4), atol=1e-8)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999, 1.0])
def test_a_share_of_the_variance(bind_all, share):
    (y,) = bound(bind_all, variance=share)(X)
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T)))[::-1] / np.trace(np.cov(X.T))
    k = y.shape[1]
    assert values[:k].sum() >= share - 1e-9 and (k == 1 or values[: k - 1].sum() < share)


def test_a_sample_has_its_coordinates_in_every_batch(bind_all):
    run = bind_all("PCA", ((6,),), training=[(X,)], components=3)
    whole = run(X.astype(np.float32))[0]
    for size in (1, 2, 7):
        np.testing.assert_array_equal(run(X[:size].astype(np.float32))[0], whole[:size])


@pytest.mark.parametrize("whiten", [False, True])
def test_beside_scikit_learn(bind_all, whiten):
    decomposition = pytest.importorskip("sklearn.decomposition")
    (y,) = bound(bind_all, components=4, whiten=whiten)(X)
    theirs = decomposition.PCA(4, whiten=whiten, svd_solver="full").fit_transform(X)
    signs = np.sign((y * theirs).sum(axis=0))
    np.testing.assert_allclose(y, theirs * signs, rtol=1e-7, atol=1e-9)
    ours = bound(bind_all, variance=0.97)(X)[0].shape[1]
    assert ours == decomposition.PCA(0.97, svd_solver="full").fit(X).n_components_


def test_images_become_rows(bind_all):
    run = bind_all("PCA", ((1, 2, 3), ()), training=[(X.reshape(-1, 1, 2, 3), np.zeros(40))], components=2)
    assert run(X.reshape(-1, 1, 2, 3), np.zeros(40))[0].shape == (40, 2)


def test_what_does_not_fit(bind_all):
    for fields in ({}, {"components": 2, "variance": 0.5}, {"variance": 1.5}):
        with pytest.raises(ValidationError):
            TRANSFORMS.parse({"type": "PCA", **fields})
    with pytest.raises(ShapeError, match="no 7 axes of 6 values"):
        bound(bind_all, components=7)
    with pytest.raises(ShapeError, match="at most 4,096"):
        bind_all("PCA", ((3, 64, 64),), components=2)
    with pytest.raises(ShapeError, match="at least two training samples"):
        bind_all("PCA", ((6,),), training=[(X[:1],)], components=2)
