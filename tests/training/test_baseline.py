"""Simple models: against their definitions and scikit-learn's; on the feeds of a solver as in TEST; bounded memory."""

import json

import numpy as np
import pytest
import yaml

from netspec.core.errors import DataError, UsageError
from netspec.training import baseline as module
from netspec.training import simple_models
from netspec.training.baseline import baseline
from netspec.training.job import load_solver
from netspec.training.simple_models import Targets, constant, logistic, neighbours, ridge

N, F, C = 90, 7, 3


def classes(seed=0, offset=0.0):
    random = np.random.default_rng(seed)
    y = random.integers(0, C, N)
    x = random.normal(size=(N, F)) * [1, 1, 5, 0.1, 1, 2, 1] + 1.5 * np.eye(F)[y] + offset
    return x.astype(np.float32), y


def numbers(seed=0, k=2):
    random = np.random.default_rng(seed)
    x = random.normal(size=(N, F)).astype(np.float32)
    return x, x @ random.normal(size=(F, k)) + 0.1 * random.normal(size=(N, k)) + 3


def test_the_constant_is_the_majority_or_the_mean():
    x, _ = classes()
    assert constant(x, Targets(np.array([2, 1, 2, 1, 0]), 3))(x[:2]).tolist() == [1, 1]
    np.testing.assert_allclose(constant(x, Targets(np.array([[1.0, 2.0], [3.0, 6.0]])))(x[:1]), [[2.0, 4.0]])


def slow_neighbours(x, some, k):
    distances = ((some[:, None].astype(float) - x[None].astype(float)) ** 2).sum(axis=2)
    return [sorted(range(len(x)), key=lambda i, row=row: (row[i], i))[:k] for row in distances]


@pytest.mark.parametrize("k", [1, 5, 200])
def test_neighbours_by_their_definition(k, monkeypatch):
    monkeypatch.setattr(simple_models, "CHUNK", 2)  # 32 samples at a time
    x, y = classes(offset=1000.0)
    x = np.concatenate([x, x[:9]])  # equal distances: the first wins
    y = np.concatenate([y, (y[:9] + 1) % C])
    found = slow_neighbours(x, x[:20], k)
    votes = [np.bincount(y[row], minlength=C).argmax() for row in found]
    assert neighbours(x, Targets(y, C), k)(x[:20]).tolist() == votes
    values = np.stack([y, 2.0 * y], axis=1)
    np.testing.assert_allclose(neighbours(x, Targets(values), k)(x[:20]), [values[row].mean(axis=0) for row in found])


@pytest.mark.parametrize("samples", [N, 5])
def test_ridge_by_its_equations(samples, monkeypatch):
    monkeypatch.setattr(simple_models, "CHUNK", 4)
    x, y = numbers()
    x, y, others = x[:samples], y[:samples], x[50:]
    design = np.concatenate([x, np.ones((samples, 1))], axis=1).astype(float)
    penalty = np.diag([2.0] * F + [0.0])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    expected = others @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(ridge(x, Targets(y), alpha=2.0)(others), expected, rtol=1e-6)


def test_ridge_draws_samples_where_all_are_too_many(monkeypatch):
    x, y = numbers()
    monkeypatch.setattr(simple_models, "LARGEST", 6)
    assert ridge(x, Targets(y))(x).shape == (N, 2)


def test_a_logistic_regression_has_no_slope_at_its_end():
    x, y = classes(offset=50.0)
    captured = []
    original = simple_models._LogLoss

    class Kept(original):
        def __init__(self, *args):
            super().__init__(*args)
            captured.append(self)

    simple_models._LogLoss = Kept
    try:
        logistic(x, Targets(y, C))
    finally:
        simple_models._LogLoss = original
    objective = captured[0]
    assert abs(objective.gradient(objective.start)).max() < 1e-5 * N
    v = np.cos(np.arange(objective.start.size))
    h = 1e-3
    at = np.sin(np.arange(objective.start.size))
    slope = (objective.loss(at + h * v) - objective.loss(at - h * v)) / (2 * h)
    np.testing.assert_allclose(objective.gradient(at) @ v, slope, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_as_scikit_learn_has_them(seed):
    linear = pytest.importorskip("sklearn.linear_model")
    near = pytest.importorskip("sklearn.neighbors")
    x, y = classes(seed)
    fitted, others = (x[:60], y[:60]), x[60:]
    pairs = [
        (neighbours, near.KNeighborsClassifier()),
        (ridge, linear.RidgeClassifier()),
        (logistic, linear.LogisticRegression(tol=1e-8, max_iter=1000)),
    ]
    for ours, theirs in pairs:
        answer = ours(fitted[0], Targets(fitted[1], C))(others)
        np.testing.assert_array_equal(answer, theirs.fit(*fitted).predict(others))
    x, y = numbers(seed)
    for ours, theirs in [(neighbours, near.KNeighborsRegressor()), (ridge, linear.Ridge())]:
        expected = theirs.fit(x[:60], y[:60]).predict(x[60:])
        np.testing.assert_allclose(ours(x[:60], Targets(y[:60]))(x[60:]), expected, rtol=1e-4)


NET = """name: tiny
layers:
  - {name: data, type: Input, shape: [4, 7], top: [data]}
  - {name: label, type: Input, shape: [4%s], top: [label]}
  - {name: fc, type: InnerProduct, bottom: data, num_output: %d, weight_filler: xavier}
  - {name: loss, type: %s, bottom: [fc, label]}
"""
SOLVER = """net: net.yaml
base_lr: 0.1
lr_policy: fixed
max_iter: 4
data:
  all: {source: {type: Arrays, outputs: [x.npy, y.npy]}, split: {train: 0.7, test: 0.3}}
  train: {batch_size: 4, balance: %s, transform: [{type: Scale, factor: 0.5}]}
  test: {batch_size: 4, transform: [{type: Scale, factor: 0.5}]}
"""


def written(folder, x, y, loss, outputs, balance="null"):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    (folder / "net.yaml").write_text(NET % (", 2" if y.ndim > 1 else "", outputs, loss))
    (folder / "solver.yaml").write_text(SOLVER % balance)
    return folder / "solver.yaml"


def parts(job):
    found = job.spec.data.all.open(job.base).parts
    return found["train"], found["test"]


def test_classes_of_a_solver(here, cli):
    x, y = classes()
    job = load_solver(str(written(here, x, y, "SoftmaxWithLoss", C, "classes")))
    train, test = parts(job)
    found = baseline(job, "test")
    assert (found.classes, found.train, found.used, found.test, found.features) == (C, len(train), len(train), 27, F)
    for row in found.rows:
        answer = module.CLASSES[row.model](x[train] / 2, Targets(y[train], C))(x[test] / 2)
        assert row.scores["accuracy"] == (answer == y[test]).mean()
        recall = [(answer == y[test])[y[test] == one].mean() for one in range(C)]
        assert row.scores["mean_recall"] == pytest.approx(np.mean(recall))
    code, out, _ = cli("baseline", "solver.yaml", "--on", "train", "--format", "json")
    assert (code, json.loads(out)["models"].keys()) == (0, module.CLASSES.keys())
    assert json.loads(out)["on"] == "train"
    code, out, _ = cli("baseline", "solver.yaml")
    assert out.splitlines()[0].split() == ["model", "accuracy", "mean", "recall", "seconds"]


def test_numbers_of_a_solver(here, cli):
    x, y = numbers()
    job = load_solver(str(written(here, x, y, "EuclideanLoss", 2)))
    train, test = parts(job)
    rows = {row.model: row.scores for row in baseline(job, "test").rows}
    for name, fit in module.NUMBERS.items():
        error = fit((x[train] / 2).astype(np.float32), Targets(y[train]))(x[test] / 2) - y[test]
        r2 = 1 - (error**2).sum(axis=0) / ((y[test] - y[test].mean(axis=0)) ** 2).sum(axis=0)
        expected = {"rmse": np.sqrt((error**2).mean()), "mae": abs(error).mean(), "r2": r2.mean()}
        assert rows[name] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    out = cli("baseline", "solver.yaml", "--format", "csv")[1]
    assert out.splitlines()[0] == "model,rmse,mae,r2,seconds"


def test_of_many_numbers_some_samples_are_drawn(here, monkeypatch):
    x, y = classes()
    job = load_solver(str(written(here, x, y, "SoftmaxWithLoss", C)))
    monkeypatch.setattr(module, "MOST_NUMBERS", 20 * F + 3)
    found = baseline(job, "test")
    assert (found.train, found.used) == (63, 20)


def test_what_has_no_baseline(here):
    x, y = classes()
    job = load_solver(str(written(here, x, y, "SoftmaxWithLoss", C)))
    with pytest.raises(UsageError, match="no data called 'night'"):
        baseline(job, "night")


def test_numbers_are_scored_as_a_test_of_the_net_scores_them(here):
    """A target that never varies counts in R2 there too: 1 where it is met, as the mean meets it."""
    x, y = numbers()
    y[:, 1] = 5
    job = load_solver(str(written(here, x, y, "EuclideanLoss", 2)))
    row = baseline(job, "test").rows[0]
    train, test = parts(job)
    error = y[test][:, 0] - y[train][:, 0].mean()
    fit = 1 - (error**2).sum() / ((y[test][:, 0] - y[test][:, 0].mean()) ** 2).sum()
    assert row.scores["r2"] == pytest.approx((fit + 1) / 2)


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "HingeLoss"])
def test_of_any_loss_of_classes(here, loss):
    x, y = classes()
    assert baseline(load_solver(str(written(here, x, y, loss, C))), "test").classes == C


def test_labels_are_checked_before_models_are_fitted(here):
    x, y = classes()
    with pytest.raises(DataError, match="label"):
        baseline(load_solver(str(written(here, x, np.where(y == 0, 7, y), "SoftmaxWithLoss", C))), "test")


@pytest.mark.parametrize("names", [None, ["b", "a", "c"]])
def test_classes_are_called_alike(here, names, cli):
    """The numbers of classes mean the same in the training and the test data; else scores would mean nothing."""
    h5py = pytest.importorskip("h5py")
    x, y = classes()
    for name in ("train", "test"):
        with h5py.File(here / f"{name}.h5", "w") as file:
            file["data"], file["label"] = x, y
    feed = "{source: {type: Hdf5, files: NAME.h5, classes: [CLASSES]}, batch_size: 10}"
    feeds = {name: feed.replace("NAME", name).replace("CLASSES", "a, b, c") for name in ("train", "test")}
    text = (here / written(here, x, y, "SoftmaxWithLoss", C)).read_text()
    solver = yaml.safe_load(text) | {"data": {name: yaml.safe_load(one) for name, one in feeds.items()}}
    (here / "h5.yaml").write_text(yaml.safe_dump(solver | {"max_iter": 2}))
    code, _, err = cli("train", "h5.yaml", "-q", "--output", "run")
    assert code == 0, err
    swapped = [f"data.test.source.classes=[{', '.join(names)}]"] if names else []
    for command in (("baseline", "h5.yaml"), ("test", "run")):
        code, _, err = cli(*command, *swapped)
        assert code == (4 if names else 0) and ("NS630" in err) == bool(names), err
