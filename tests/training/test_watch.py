"""Watching a training: the metric by its name or by default, the best test, the tests without a gain."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.counts import Count
from netspec.core.errors import NetspecError
from netspec.training.job import load_solver
from netspec.training.watch import Metric, NeverTestedError, Stop, UnknownMetricError, interval_of, metric_of

Make = Callable[..., dict[str, Any]]
SOFTMAX = {"name": "shares", "type": "Softmax", "bottom": "ip"}
ACCURACY, LOSS = Metric("test/accuracy", True), Metric("test/loss", False)


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        (["accuracy", "loss"], ACCURACY),
        (["loss", "accuracy"], ACCURACY),
        (["loss"], LOSS),
        (["loss", "shares"], LOSS),
    ],
)
def test_an_accuracy_judges_before_a_loss(solver: Make, last: list[str], wanted: Metric) -> None:
    values = solver(test_interval=5)
    *body, accuracy, loss = values["net"]["layers"]
    ends = {"accuracy": accuracy, "loss": loss, "shares": SOFTMAX}
    values["net"]["layers"] = [*body, *(ends[name] for name in last)]
    assert load_solver(values).watch.metric == wanted


def test_the_best_test_is_the_first_of_equals_and_finite() -> None:
    tests = [(i, {"test/accuracy": a}) for i, a in enumerate((0.5, float("nan"), 0.7, 0.7, float("inf")))]
    tests.insert(3, (2, {"more/accuracy": 0.9}))
    assert ACCURACY.best(tests) == (2, 0.7)
    assert Metric("test/accuracy", False).best(tests) == (0, 0.5)
    assert LOSS.best(tests) is None and LOSS.waited(tests, 0.0) == 0


@pytest.mark.parametrize(
    ("scores", "gain", "waited"),
    [
        ([], 0.0, 0),
        ([0.5], 0.0, 0),
        ([0.5, 0.5], 0.0, 1),
        ([0.5, 0.6, 0.55, 0.58], 0.0, 2),
        ([0.5, 0.6, 0.55, 0.61], 0.0, 0),
        ([0.5, 0.52, 0.54, 0.56], 0.05, 0),  # slow gains add up against the last score that counted
        ([0.5, 0.52, 0.54], 0.05, 2),
        ([0.7, 0.1, 0.2, 0.3], 0.0, 3),  # better than the one before is no gain
    ],
)
def test_tests_since_the_last_gain(scores: list[float], gain: float, waited: int) -> None:
    tests = [(10 * i, {"test/accuracy": score, "test/loss": 1 - score}) for i, score in enumerate(scores)]
    assert ACCURACY.waited(tests, gain) == waited
    assert LOSS.waited(tests, gain - 1e-12 * bool(gain)) == waited  # 1 - score is rounded
    for patience in (1, 2, 3, 4):
        assert Stop(ACCURACY, patience, gain, True).over(tests) == (waited >= patience)


def test_who_is_tested_when(solver: Make) -> None:
    """The solver's interval is that of the watched feed; others have their own, or are tested at the end alone."""
    values = solver(test_interval="2 epochs")
    test = values["data"]["test"]
    spec = load_solver(values).spec
    assert interval_of(spec, "test") == Count(2, in_epochs=True)
    values["data"] |= {"validation": test, "tests": {"more": {**test, "test_interval": 7}, "rest": test}}
    job = load_solver(values)
    spec = job.spec
    wanted = {"validation": Count(2, in_epochs=True), "test": None, "more": Count(7), "rest": None}
    assert {name: interval_of(spec, name) for name in spec.data.scored} == wanted
    assert job.watch.metric == Metric("validation/accuracy", True)
    assert metric_of(spec, job.test, "more/loss", None) == Metric("more/loss", False)
    assert metric_of(spec, job.test, "more/loss", "max") == Metric("more/loss", True)
    assert metric_of(spec, job.test, "none/loss", None) is None


def watched(solver: Make, **fields: Any) -> dict[str, Any]:
    values = copy.deepcopy(solver(test_interval=5, **fields))
    values["data"]["validation"] = values["data"]["test"]
    values["net"]["layers"].append({"name": "mean", "type": "Reduction", "bottom": "ip", "include": {"phase": "TEST"}})
    return values


def test_the_weights_kept_and_the_early_stop_share_a_metric(solver: Make) -> None:
    job = load_solver(watched(solver, early_stop={"patience": 3, "metric": "validation/loss"}))
    assert job.watch.best == job.watch.metric == Metric("validation/loss", False)
    job = load_solver(watched(solver, best={"metric": "validation/loss", "mode": "max"}))
    assert job.watch.best == Metric("validation/loss", True) and job.watch.stop is None
    both = {"best": {"metric": "validation/loss"}, "early_stop": {"patience": 3}}
    with pytest.raises(UnknownMetricError, match="those of the best validation/accuracy restored"):
        load_solver(watched(solver, **both))
    both["early_stop"]["restore_best"] = False
    job = load_solver(watched(solver, **both))
    assert job.watch.stop == Stop(Metric("validation/accuracy", True), 3, 0.0, False)


@pytest.mark.parametrize(
    ("fields", "error", "said", "help"),
    [
        ({"best": {"metric": "validation/acc"}}, UnknownMetricError, "no test has the score", "test/accuracy"),
        ({"best": {"metric": ""}}, UnknownMetricError, "no test has the score ''", "validation/accuracy"),
        ({"best": {"metric": "accuracy"}}, UnknownMetricError, "no test has the score", "validation/accuracy"),
        ({"best": {"metric": "train/loss"}}, UnknownMetricError, "no test has the score", "validation/accuracy"),
        ({"best": {"metric": "test/loss"}}, NeverTestedError, "only at the end", "test_interval"),
        ({"early_stop": {"patience": 2, "metric": "test/loss"}}, NeverTestedError, "only at the end", "test_interval"),
        ({"best": {"mode": "max"}, "test_interval": None}, NeverTestedError, "only at the end", "test_interval"),
    ],
)
def test_a_metric_that_cannot_be_watched(
    solver: Make, fields: dict[str, Any], error: type[NetspecError], said: str, help: str
) -> None:
    values = {key: value for key, value in (watched(solver) | fields).items() if value is not None}
    with pytest.raises(error, match=said) as caught:
        load_solver(values)
    assert help in str(caught.value.help)


def test_a_training_without_tests_cannot_be_watched(solver: Make) -> None:
    values = solver(best={})
    del values["data"]["test"]
    with pytest.raises(UnknownMetricError, match="this training has none"):
        load_solver(values)
