"""The output that judges a training: an accuracy before a loss, as the TEST net has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.training.best import Judge, judge
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver

SOFTMAX = {"name": "shares", "type": "Softmax", "bottom": "ip"}


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        (["accuracy", "loss"], Judge("accuracy", True)),
        (["loss", "accuracy"], Judge("accuracy", True)),
        (["loss"], Judge("loss", False)),
        (["loss", "shares"], Judge("loss", False)),
    ],
)
def test_an_accuracy_judges_before_a_loss(
    solver: Callable[..., dict[str, Any]], last: list[str], wanted: Judge
) -> None:
    values = solver(test_interval=5)
    *body, accuracy, loss = values["net"]["layers"]
    ends = {"accuracy": accuracy, "loss": loss, "shares": SOFTMAX}
    values["net"]["layers"] = [*body, *(ends[name] for name in last)]
    job = load_solver(values)
    assert job.test is not None
    assert judge(job.test) == wanted


def test_the_best_test_is_the_first_of_equals_and_finite() -> None:
    tests = [Scored(i, {"a": a}, 3, 0.0) for i, a in enumerate((0.5, float("nan"), 0.7, 0.7, float("inf")))]
    assert Judge("a", True).best(tests) is tests[2]
    assert Judge("a", False).best(tests) is tests[0]
    assert Judge("b", True).best(tests) is None
