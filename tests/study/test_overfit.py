"""Nets that learn a few samples by heart, and nets that cannot, each with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.study.overfit import NEAR, Overfit, overfit
from netspec.training.job import load_solver
from netspec.training.rules import base_examples as made

Values = dict[str, Any]

HIDDEN = [made.product("hidden", 40), {"name": "relu", "type": "ReLU"}]
FINE: Values = made.solver(
    HIDDEN, base_lr=0.5, momentum=0.9, weight_decay=0.5, lr_policy={"type": "step", "gamma": 0.1, "stepsize": 3}
)


def fitted(values: Values, samples: int | None = 20, iterations: int = 300) -> Overfit:
    return overfit(load_solver(values), samples, iterations)


def reason(values: Values, **options: Any) -> str:
    one = fitted(values, **options)
    failure = one.failure()
    assert failure is not None and failure.exit_code == 6 and failure.help == one.reason
    return one.reason or ""


def test_a_net_learns_a_batch_without_decay_and_with_its_rate_standing_still() -> None:
    one = fitted(FINE)
    assert one.failure() is None and one.reason is None
    assert (one.samples, one.batches, one.course.rate) == (20, 1, 0.5)
    assert one.loss <= NEAR * one.guess < min(one.course.losses[:-1])
    assert one.guess == pytest.approx(np.log(4), rel=1e-5)
    assert fitted(FINE) == one


def test_samples_may_be_fewer_than_a_batch_or_several_batches() -> None:
    assert (fitted(FINE, 7).samples, fitted(FINE, 7).batches) == (7, 1)
    more = fitted(FINE, 60)
    assert (more.samples, more.batches) == (60, 3) and more.failure() is None


def test_noise_is_off() -> None:
    drop = {"name": "drop", "type": "Dropout", "dropout_ratio": 0.95}
    noise = {"name": "noise", "type": "GaussianNoise", "sigma": 50.0}
    assert fitted({**FINE, "net": made.solver([*HIDDEN, drop, noise])["net"]}).failure() is None


@pytest.mark.parametrize(("rate", "word"), [(300.0, "high"), (5e-4, "low")])
def test_a_wrong_rate_is_found_by_trying_another(rate: float, word: str) -> None:
    assert f"base_lr is too {word}: at " in reason({**FINE, "base_lr": rate}, iterations=100)


def test_labels_that_contradict_one_another_are_the_reason() -> None:
    twice = made.feed(lambda sample, feature: made.value(sample // 2, feature))
    assert "equal sample with another label" in reason({**FINE, "data": {"train": twice}}, samples=80, iterations=60)


def test_the_rules_say_why() -> None:
    dead = made.product("hidden", 40, bias_filler={"type": "constant", "value": -20.0})
    assert "are dead" in reason({**FINE, "net": made.solver([dead, HIDDEN[1]])["net"]}, iterations=50)
    zero = [{"name": name, "type": "InnerProduct", "num_output": 4} for name in ("a", "b")]
    assert "never learn" in reason({**FINE, "net": made.solver(zero)["net"]}, iterations=50)


def test_a_loss_that_still_falls_wants_more_iterations() -> None:
    slow = {**FINE, "momentum": 0.0, "base_lr": 0.05}
    one = reason(slow, iterations=8)
    assert "base_lr is too low" in one or "still falls" in one
