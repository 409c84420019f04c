"""Iris: the values of scikit-learn, in two parts."""

import numpy as np
import pytest

from netspec.data.sources.base import SOURCES
from netspec.training import events
from netspec.training.job import load_solver
from netspec.training.run import run


def everything(split):
    data = SOURCES.parse({"type": "Iris", "split": split}).open(None)
    return data, *data.read(np.arange(len(data)))


def test_the_parts():
    data, x, _ = everything("all")
    assert data.classes(1) == ("setosa", "versicolor", "virginica")
    np.testing.assert_allclose(x.mean(0), [5.843, 3.057, 3.758, 1.199], atol=5e-4)  # scikit-learn's page
    test, held, labels = everything("test")
    train, seen, others = everything("train")
    assert np.bincount(labels).tolist() == [10] * 3
    assert np.bincount(others).tolist() == [40] * 3
    np.testing.assert_array_equal(np.sort(np.concatenate([held, seen]), axis=0), np.sort(x, axis=0))
    assert test.name(0) == "line 6 of iris.csv"
    assert train.describe() == "iris.csv, 3 classes: 150 samples of 4, train"


def test_it_is_the_table_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    _, x, y = everything("all")
    np.testing.assert_array_equal(x, datasets.load_iris().data)
    np.testing.assert_array_equal(y, datasets.load_iris().target)


def test_the_net_of_the_zoo_learns_them(tmp_path):
    happened = list(run(load_solver("iris_mlp", overrides=("max_epoch=20", "lr_policy=fixed")), tmp_path / "run"))
    tested = [event for event in happened if isinstance(event, events.Tested)]
    assert tested[-1].samples == 30
    assert tested[-1].outputs["accuracy"] > 0.9
