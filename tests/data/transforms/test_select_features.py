"""SelectFeatures by variance and by F-score, each from its definition."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS
from netspec.data.transforms.base_soft import MixedError, NoSuchOutputError
from netspec.data.transforms.select_features import f_scores

LABELS = np.arange(30) % 3
X = np.random.default_rng(6).normal(size=(30, 5)) * [1, 4, 2, 0.5, 3]
X[:, 3] += LABELS  # well told apart, of a small variance
X[:, 1] += 0.5 * LABELS
PARTS = [(X[:4], LABELS[:4]), (X[4:21], LABELS[4:21]), (X[21:], LABELS[21:])]


def slow_f(column):
    groups = [[float(v) for v, c in zip(column, LABELS, strict=True) if c == kind] for kind in range(3)]
    mean = sum(map(sum, groups)) / len(column)
    between = sum(len(g) * (sum(g) / len(g) - mean) ** 2 for g in groups) / 2
    within = sum((v - sum(g) / len(g)) ** 2 for g in groups for v in g) / (len(column) - 3)
    return between / within


def test_the_largest_variances_in_their_order(bind_all):
    run = bind_all("SelectFeatures", ((5,), ()), training=PARTS, number=3)
    best = sorted(sorted(range(5), key=lambda f: -X[:, f].var())[:3])
    np.testing.assert_array_equal(run(X, LABELS)[0], X[:, best])


def test_the_largest_f_scores(bind_all):
    run = bind_all("SelectFeatures", ((5,), ()), training=PARTS, by="f_score", number=2)
    scores = [slow_f(X[:, f]) for f in range(5)]
    np.testing.assert_allclose(f_scores(run.setting, 1), scores, rtol=1e-9)
    best = sorted(sorted(range(5), key=lambda f: -scores[f])[:2])
    assert 3 in best
    np.testing.assert_array_equal(run(X, LABELS)[0], X[:, best])


def test_beside_scikit_learn(bind_all):
    selection = pytest.importorskip("sklearn.feature_selection")
    run = bind_all("SelectFeatures", ((5,), ()), training=PARTS, by="f_score", number=2)
    np.testing.assert_allclose(f_scores(run.setting, 1), selection.f_classif(X, LABELS)[0], rtol=1e-9)


def test_constant_features_are_dropped(bind_all):
    x = X.copy()
    x[:, 2] = 4.0
    run = bind_all("SelectFeatures", ((5,), ()), training=[(x, LABELS)], above=0)
    np.testing.assert_array_equal(run(x, LABELS)[0], x[:, [0, 1, 3, 4]])
    run = bind_all("SelectFeatures", ((5,), ()), training=[(x, LABELS)], by="f_score", number=4)
    assert f_scores(run.setting, 1)[2] == 0
    x[:, 0] = LABELS
    assert f_scores(bind_all("SelectFeatures", ((5,), ()), training=[(x, LABELS)], number=4).setting, 1).argmax() == 0


def test_what_does_not_fit(bind_all):
    for fields in ({}, {"number": 2, "above": 0}, {"number": 0}):
        with pytest.raises(ValidationError):
            TRANSFORMS.parse({"type": "SelectFeatures", **fields})
    with pytest.raises(ShapeError, match="no 6 features among 5"):
        bind_all("SelectFeatures", ((5,), ()), training=PARTS, number=6)
    with pytest.raises(ShapeError, match="rows of features"):
        bind_all("SelectFeatures", ((5, 2), ()), number=2)
    with pytest.raises(ShapeError, match="no feature has more than 1e"):
        bind_all("SelectFeatures", ((5,), ()), training=PARTS, above=1e6)
    with pytest.raises(MixedError, match="needs a label for each sample"):
        bind_all("SelectFeatures", ((5,), (2,)), by="f_score", number=2)
    with pytest.raises(NoSuchOutputError):
        bind_all("SelectFeatures", ((5,),), by="f_score", number=2)
    with pytest.raises(MixedError, match="at least two classes"):
        bind_all("SelectFeatures", ((5,), ()), training=[(X, 0 * LABELS)], by="f_score", number=2)
