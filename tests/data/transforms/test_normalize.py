"""Normalize: given and computed, on samples and on targets, and back."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS, Draw
from netspec.data.transforms.base_computed import NotFiniteDataError
from netspec.data.transforms.base_soft import NoSuchOutputError

X = np.random.default_rng(4).normal(3, 2, (11, 2, 3, 5)).astype(np.float32)
T = np.random.default_rng(5).normal(-40, 9, (11, 4)).astype(np.float32)


def chunks(*arrays, cut):
    return [tuple(array[i : i + cut] for array in arrays) for i in range(0, len(arrays[0]), cut)]


def test_given_values_worked_by_hand(bind):
    x = np.array([[[[10, 20, 30]], [[1, 2, 3]]]], np.uint8)
    y = bind("Normalize", (2, 1, 3), mean=(20, 2), deviation=(10, 0.5))(x)
    np.testing.assert_array_equal(y, [[[[-1, 0, 1]], [[-2, 0, 2]]]])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(bind("Normalize", (2, 1, 3), mean=1)(x), x - 1.0)
    np.testing.assert_array_equal(bind("Normalize", (2, 1, 3), deviation=2)(x), x / 2)
    np.testing.assert_array_equal(bind("Normalize", (3,), mean=(1, 2, 3))(np.array([[1, 2, 3]])), [[0, 0, 0]])
    np.testing.assert_array_equal(bind("Normalize", (), mean=4, deviation=2)(np.array([6, 4])), [1, 0])


@pytest.mark.parametrize("cut", [1, 4, 11])
@pytest.mark.parametrize(
    ("computed", "loops"),
    [
        (True, lambda x: {(c,): x[:, c] for c in range(2)}),
        ("channel", lambda x: {(c,): x[:, c] for c in range(2)}),
        ("feature", lambda x: {(..., w): x[..., w] for w in range(5)}),
        ("pixel", lambda x: {at: x[(slice(None), *at)] for at in np.ndindex(2, 3, 5)}),
    ],
)
def test_computed_over_training_data_however_they_are_cut(bind, cut, computed, loops):
    y = bind("Normalize", X.shape[1:], training=[part for (part,) in chunks(X, cut=cut)], computed=computed)(X)
    for at, values in loops(X).items():
        own = [float(value) for value in values.reshape(-1)]
        mean = sum(own) / len(own)
        deviation = (sum((value - mean) ** 2 for value in own) / len(own)) ** 0.5
        at = (slice(None), *at) if at[0] is not ... else at
        np.testing.assert_allclose(y[at], (values - mean) / deviation, rtol=0, atol=3e-6)


def test_of_ragged_images_each_channel(bind_all):
    ragged = [X[0], X[1, :, :2], X[2, :, :, :4]]
    run = bind_all("Normalize", ((2, -1, -1),), training=[(ragged,)], computed=True)
    done = run.transform.bind_all(run.setting)((ragged,), Draw(1, np.zeros(3, int), np.arange(3)))[0]
    for c in range(2):
        own = np.concatenate([image[c].reshape(-1) for image in ragged]).astype(float)
        for before, after in zip(ragged, done, strict=True):
            np.testing.assert_allclose(after[c], (before[c] - own.mean()) / own.std(), atol=3e-6)
    with pytest.raises(ShapeError, match="no mean of each pixel"):
        bind_all("Normalize", ((2, -1, -1),), training=[(ragged,)], computed="pixel")


def test_constants_only_lose_their_mean(bind):
    x = np.array([[1, 5], [3, 5], [5, 5]], np.float32)
    y = bind("Normalize", (2,), training=[x], computed=True)(x)
    np.testing.assert_array_equal(y[:, 1], [0, 0, 0])
    np.testing.assert_allclose(y[:, 0], np.array([-1, 0, 1]) * 1.5**0.5, rtol=1e-6)


@pytest.mark.parametrize("fields", [{"computed": True}, {"mean": (-40, 1, 2, 3), "deviation": (9, 1, 2, 4)}])
def test_a_target_and_back(bind_all, fields):
    run = bind_all("Normalize", (X.shape[1:], (4,)), training=chunks(X, T, cut=4), output=1, **fields)
    x, y = run(X, T)
    np.testing.assert_array_equal(x, X)
    assert abs(y.mean(axis=0)).max() < 1e-5 or "mean" in fields
    (number, undo), *none = run.transform.undo(run.setting).items()
    assert (number, none) == (1, [])
    assert undo(y).dtype == np.float64
    np.testing.assert_allclose(undo(y), T, rtol=2e-6)


def test_single_numbers_and_back(bind_all):
    run = bind_all("Normalize", (X.shape[1:], ()), training=chunks(X, T[:, 0], cut=3), output=1, computed=True)
    _, y = run(X, T[:, 0])
    undo = run.transform.undo(run.setting)[1]
    np.testing.assert_allclose(undo(y), T[:, 0], rtol=2e-6)
    np.testing.assert_allclose(undo(y[:, None])[:, 0], T[:, 0], rtol=2e-6)  # predictions (N, 1)


def test_beside_scikit_learn(bind):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    y = bind("Normalize", (4,), real=np.float64, training=[T], computed=True)(T)
    np.testing.assert_allclose(y, preprocessing.StandardScaler().fit_transform(T.astype(float)), rtol=1e-6, atol=1e-9)


def test_missing_values_are_an_error(bind):
    broken = T.copy()
    broken[3, 2] = np.nan
    with pytest.raises(NotFiniteDataError, match="output 0 of the training data is not finite"):
        bind("Normalize", (4,), training=[broken], computed=True)


def test_fields_that_do_not_fit(bind_all):
    for fields in ({}, {"computed": True, "mean": 1}, {"deviation": 0}, {"mean": ()}):
        with pytest.raises(ValidationError):
            TRANSFORMS.parse({"type": "Normalize", **fields})
    with pytest.raises(ShapeError, match="3 values do not fit"):
        bind_all("Normalize", ((2, 3, 5),), mean=(1, 2, 3))
    with pytest.raises(NoSuchOutputError):
        bind_all("Normalize", ((2, 3, 5),), mean=1, output=1)
