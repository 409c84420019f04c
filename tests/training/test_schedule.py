"""Schedules: the rates of a training, and where they turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.errors import DataError
from netspec.training.job import load_solver
from netspec.training.schedule import schedule

Solver = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ({"lr_policy": "fixed"}, {0: "first", 19: "last"}),
        ({"lr_policy": "fixed", "max_iter": 1}, {0: "first"}),
        (
            {"lr_policy": {"type": "step", "gamma": 0.1, "stepsize": 8}},
            {0: "first", 8: "step", 16: "step", 19: "last"},
        ),
        (
            {"lr_policy": {"type": "cosine", "length": 9}},
            {0: "first", 8: "lowest", 9: "highest", 17: "lowest", 18: "highest", 19: "last"},
        ),
        ({"lr_policy": {"type": "cosine", "length": 150}, "max_iter": 200}, {0: "first", 150: "jump", 199: "last"}),
        (
            {"lr_policy": {"type": "triangular", "stepsize": 6, "max_lr": 1.0}},
            {0: "first", 6: "highest", 12: "lowest", 18: "highest", 19: "last"},
        ),
        (
            {"lr_policy": {"type": "step", "gamma": 0.1, "stepsize": 15}, "warmup": {"length": 5}},
            {0: "first", 5: "end of warm-up", 15: "step", 19: "last"},
        ),
        # the derivative of (0.1 + 0.9 t / 30) (1 - t / 20) is 0 at 8 1/3
        ({"lr_policy": "linear", "warmup": {"length": 30}}, {0: "first", 8: "highest", 19: "last"}),
    ],
)
def test_where_the_rate_turns(fields: dict[str, Any], marks: dict[int, str], solver: Solver) -> None:
    one = schedule(load_solver(solver(**{"max_iter": 20, **fields}), phases=("TRAIN",)))
    assert {mark.iteration: mark.word for mark in one.marks} == marks


def test_the_rates_are_those_of_the_training(solver: Solver) -> None:
    job = load_solver(solver(max_iter=7, lr_policy="cosine", warmup={"length": "1 epoch", "from": 0.5}))
    one = schedule(job)
    from netspec.training.session import Session

    session, trained = Session(job, 1), []
    while session.iteration < 7:
        trained.append(session.rate)
        session.step()
    session.close()
    assert [one.rate(iteration) for iteration in range(7)] == trained and trained[0] == 0.5 * job.spec.base_lr
    assert session.feed is not None and one.epoch(7) == 7 * session.batch / len(session.feed)


def test_data_are_needed_for_epochs_only(solver: Solver) -> None:
    values = solver(max_iter=7)
    values["data"]["train"]["source"] = {"type": "Arrays", "outputs": ["nowhere.npy", "nowhere.npy"]}
    one = schedule(load_solver(values, phases=("TRAIN",)))
    assert one.epoch(3) is None and one.course.end == 7
    with pytest.raises(DataError):
        schedule(load_solver({**values, "warmup": {"length": "1 epoch"}}, phases=("TRAIN",)))
