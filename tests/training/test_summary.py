"""Runs in a few values: status, best test, time; what differs between configurations; order and choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.training.events import Display, Event, Finished
from netspec.training.job import load_solver
from netspec.training.run import run
from netspec.training.summary import Found, Score, UnknownKeyError, arranged, differing, summarized
from tests.helpers.runs import TESTS, scored, written

ENDED = Finished(30, None, 31.5, 0.0, epoch=3.0, elapsed=31.5)


def test_the_best_and_the_last_test(tmp_path: Path) -> None:
    one, _ = summarized(written(tmp_path / "a", "base_lr: 1", [*TESTS, ENDED]))
    assert (one.best, one.last) == (Score(0.9, 20, 2.0), Score(0.8, 30, 3.0))
    assert (one.status, one.iteration, one.epoch, one.seconds, one.net) == ("done", 30, 3.0, 31.5, "tiny")


@pytest.mark.parametrize(
    ("metric", "mode", "value"),
    [("test/loss", None, 0.3), ("test/loss", "max", 2.0), ("test/accuracy", "min", 0.1), (None, "min", 0.1)],
)
def test_another_metric(metric: str | None, mode: Any, value: float, tmp_path: Path) -> None:
    one, _ = summarized(written(tmp_path / "a", "base_lr: 1", TESTS), metric, mode)
    assert one.best is not None and one.best.value == value


def test_a_metric_that_no_test_has_and_one_that_is_not_finite(tmp_path: Path) -> None:
    one, _ = summarized(written(tmp_path / "a", "base_lr: 1", TESTS), "test/recall")
    assert one.best is None and one.last is None
    one, _ = summarized(written(tmp_path / "b", "base_lr: 1", [scored(0, float("nan")), *TESTS[1:2]]))
    assert one.best is not None and one.best.value == 0.7


@pytest.mark.parametrize(
    ("end", "status"),
    [([ENDED], "done"), ([Finished(7, "SIGINT", 1.0, 0.0)], "stopped"), ([], "failed")],
)
def test_the_status(end: list[Event], status: str, tmp_path: Path) -> None:
    assert summarized(written(tmp_path / "a", "base_lr: 1", [*TESTS[:1], *end]))[0].status == status


def test_a_run_that_is_under_way_and_one_that_is_over(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    training = run(load_solver(solver(max_iter=3, display=1)), tmp_path / "run")
    while not isinstance(next(training), Display):
        pass
    assert summarized(tmp_path / "run")[0].status == "running"
    list(training)
    one, record = summarized(tmp_path / "run")
    assert (one.status, one.net, one.metric, one.mode) == ("done", "tiny", "test/accuracy", "max")
    assert one.last == Score(record.events[-2].outputs["accuracy"], 3, 12 / 23)  # type: ignore[union-attr]


def test_only_what_differs() -> None:
    layers = [{"name": "ip", "type": "InnerProduct", "num_output": 3}, {"name": "loss", "type": "SoftmaxWithLoss"}]
    other = [{**layers[0], "num_output": 5}, layers[1]]
    configs: list[dict[str, Any]] = [
        {"net": {"name": "A", "layers": layers}, "base_lr": 0.1, "lr_policy": {"type": "step", "gamma": 0.5}},
        {"net": {"name": "B", "layers": other}, "base_lr": 0.1, "lr_policy": "fixed", "momentum": 0.9},
        {"net": {"name": "C", "layers": layers}, "base_lr": 0.2, "lr_policy": {"type": "step", "gamma": 0.5}},
    ]
    first, second, third = differing(configs)
    assert list(first) == list(second) == list(third)
    assert {*first} == {"base_lr", "lr_policy.type", "lr_policy.gamma", "momentum", "net.layers.ip.num_output"}
    assert [one["net.layers.ip.num_output"] for one in (first, second, third)] == [3, 5, 3]
    assert [one["base_lr"] for one in (first, second, third)] == [0.1, 0.1, 0.2]
    assert [one["lr_policy.gamma"] for one in (first, second, third)] == [0.5, None, 0.5]
    assert [one["momentum"] for one in (first, second, third)] == [None, 0.9, None]
    assert differing([]) == [] and differing(configs[:1]) == [{}]


@pytest.fixture
def found(tmp_path: Path) -> list[Found]:
    configs = {"a": "base_lr: 0.1\nlr_policy: fixed", "b": "base_lr: 0.02\nlr_policy: {type: step, gamma: 0.5}"}
    ends = {"a": TESTS, "b": [*TESTS[:2], ENDED], "c": []}
    return [summarized(written(tmp_path / name, configs.get(name, "momentum: 0.5"), ends[name])) for name in "abc"]


@pytest.mark.parametrize(
    ("sort", "where", "names"),
    [
        ("best", [], "abc"),
        ("base_lr", [], "bac"),
        ("seconds", [], "cab"),
        ("lr_policy", [], "abc"),
        ("best", ["lr_policy=step"], "b"),
        ("best", ["base_lr=1e-1", "status=failed"], "a"),
        ("name", ["lr_policy.gamma=0.5", "base_lr=x"], ""),
    ],
)
def test_order_and_choice(sort: str, where: list[str], names: str, found: list[Found]) -> None:
    assert "".join(Path(run.name).name for run, _ in arranged(found, sort, where)) == names


def test_a_key_that_no_run_has(found: list[Found]) -> None:
    with pytest.raises(UnknownKeyError, match="no run has a 'base_l'") as caught:
        arranged(found, "base_l")
    assert caught.value.help == "did you mean 'base_lr'?"
    with pytest.raises(UnknownKeyError, match="'status' is no KEY=VALUE"):
        arranged(found, "best", ["status"])
    assert arranged([], "anything") == []
