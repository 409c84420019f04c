"""Sweeps of learning rates: their rates, losses and smoothing, what they suggest, and when they do not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.study.lr_find import NoRateToFindError, Point, Search, Sweep, search, sweep
from netspec.training.job import Job, load_solver
from netspec.training.session import Session

Values = dict[str, Any]


def job(label: str = "of the input", **fields: Any) -> Job:
    """Two layers that learn which of four numbers is the largest, or labels that say nothing."""
    random = np.random.default_rng(3)
    x = random.normal(size=(200, 4))
    y = x.argmax(1) if label == "of the input" else np.zeros(200)
    source = {"type": "Arrays", "values": [x.tolist(), y.tolist()]}
    layers: list[Values] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[20, 4], [20]]},
        {"name": "ip1", "type": "InnerProduct", "num_output": 24, "weight_filler": "xavier"},
        {"name": "relu1", "type": "ReLU"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    ]
    values: Values = {"base_lr": 0.1, "momentum": 0.9, "lr_policy": "fixed", "max_iter": 7, **fields}
    data = {"train": {"source": source, "batch_size": 20}}
    values = {key: value for key, value in values.items() if value is not None}
    return load_solver({"data": data, **values, "net": {"layers": layers}})


@pytest.fixture(scope="module")
def swept() -> Sweep:
    return sweep(job(), 1e-5, 100.0, 150)


def test_the_rate_grows_by_equal_factors_and_the_first_loss_is_that_of_the_training(swept: Sweep) -> None:
    wanted = 1e-5 * (100.0 / 1e-5) ** (np.arange(len(swept.points)) / 149)
    np.testing.assert_allclose([point.rate for point in swept.points], wanted, rtol=1e-9)
    with_policy = Session(job())
    assert swept.points[0].loss == with_policy.step()
    with_policy.close()


def test_losses_are_those_of_a_training_at_these_rates(swept: Sweep) -> None:
    """Each rate is set by hand, as a policy of steps that nothing else shares."""
    gamma = (100.0 / 1e-5) ** (1 / 149)
    session = Session(job(base_lr=1e-5, lr_policy={"type": "step", "gamma": gamma, "stepsize": 1}, max_iter=60))
    losses = [session.step() for _ in range(60)]
    session.close()
    np.testing.assert_allclose([point.loss for point in swept.points[:60]], losses, rtol=1e-4)


def test_the_smoothed_loss_is_a_mean_with_weights_that_add_up_to_1(swept: Sweep) -> None:
    losses = np.array([point.loss for point in swept.points])
    for step in (0, 1, 17, len(losses) - 1):
        weights = 0.9 ** np.arange(step, -1, -1)
        assert swept.points[step].smoothed == pytest.approx(float(losses[: step + 1] @ weights / weights.sum()))


def test_a_suggestion_lies_before_the_lowest_loss_and_well_below_the_divergence(swept: Sweep) -> None:
    assert swept.diverged and swept.fault is None and swept.lowest is not None
    assert swept.suggestion is not None and swept.limit is not None
    assert 1e-3 < swept.suggestion < swept.lowest.rate and swept.suggestion <= swept.limit / 10


def test_it_trains(swept: Sweep) -> None:
    """200 iterations at the suggested rate; at a thousandth of it hardly anything is learned."""
    found = []
    for rate in (swept.suggestion, (swept.suggestion or 0) / 1000):
        session = Session(job(base_lr=rate, max_iter=200))
        found.append(np.mean([session.step() for _ in range(200)][-20:]))
        session.close()
    assert found[0] < 0.2 and found[1] > 1.0


def test_equal_sweeps_have_equal_bits_and_write_nothing(
    swept: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep(job(), 1e-5, 100.0, 150).points == swept.points
    assert os.listdir(tmp_path) == []


def test_the_policy_warm_up_and_tests_of_the_solver_do_not_matter(swept: Sweep) -> None:
    other = job(lr_policy={"type": "step", "gamma": 0.1, "stepsize": 2}, warmup={"length": 3}, base_lr=5.0)
    assert sweep(other, 1e-5, 100.0, 150).points == swept.points


def test_nothing_is_suggested_where_the_loss_does_not_move() -> None:
    found = sweep(job(), 1e-9, 1e-7, 40)
    assert found.suggestion is None and "the curve is flat" in str(found.fault)


def test_nothing_is_suggested_where_the_loss_still_falls() -> None:
    found = sweep(job(), 1e-4, 1e-2, 80)
    assert found.suggestion is None and "still falls at the highest rate" in str(found.fault)


def test_nothing_is_suggested_where_it_diverges_from_the_first_iteration_on() -> None:
    found = sweep(job(), 1e9, 1e12, 40)
    assert found.suggestion is None and "out of hand after" in str(found.fault)


def test_the_knee_of_a_curve_worked_by_hand() -> None:
    """A smoothed loss that falls from 2 by 0.1 an iteration, from iteration 20 to 30, and ends there.

    95 % of its fall of 1 lie below 1.05, first reached in iteration 30, whose rate is 2 ** 30.
    """
    smoothed = [2.0] * 21 + [2.0 - 0.1 * i for i in range(1, 11)] + [1.02, 1.05, 9.0]
    points = tuple(Point(2.0**i, smoothed[i], smoothed[i]) for i in range(len(smoothed)))
    one = Sweep(job(), 1.0, 2.0**40, 41, points, False)
    assert (one.knee, one.suggestion, one.limit) == (2.0**30, 2.0**30, None)
    diverged = Sweep(job(), 1.0, 2.0**24, 41, (*points[:-1], Point(2.0**22, 9.0, 9.0)), True)
    assert diverged.suggestion == pytest.approx(2.0**22 / 10)


def test_sweeps_of_a_search_differ_in_their_seed_and_the_first_is_a_sweep_of_its_own(swept: Sweep) -> None:
    found = search(job(), 1e-5, 100.0, 150, 3)
    assert [one.job.spec.random_seed for one in found.sweeps] == [1, 2, 3] and found.sweeps[0].points == swept.points
    assert found.rates == tuple(sorted(one.suggestion or 0 for one in found.sweeps)) and len(set(found.rates)) > 1
    assert found.suggestion == found.rates[1] == found.typical.suggestion


@pytest.mark.parametrize(
    ("knees", "middle"),
    [
        ((16, 4, 8), 8),
        ((16, 4), 4),
        ((16, None, 4), 4),
        ((16, None, None), None),
        ((16, None), None),
        ((4, 4, 16, 64), 4),
    ],
)
def test_the_middle_rate_counts(knees: tuple[int | None, ...], middle: int | None) -> None:
    """Losses of 1 that are 0 from the knee on, or never."""

    def one(knee: int | None) -> Sweep:
        losses = [0.0 if knee and 2.0**i / 1024 >= knee else 1.0 for i in range(40)]
        return Sweep(job(), 1.0, 2.0, 40, tuple(Point(2.0**i / 1024, x, x) for i, x in enumerate(losses)), False)

    found = Search(tuple(map(one, knees)))
    assert found.suggestion == middle and (found.fault is None) == (middle is not None)


def test_solver_types_without_a_rate_and_ranges_without_room() -> None:
    with pytest.raises(NoRateToFindError, match="has no learning rate"):
        sweep(job(type="LBFGS", momentum=None, base_lr=None, lr_policy=None), 1e-5, 1.0, 40)
    with pytest.raises(NoRateToFindError, match=r"from 1 to 0\.1"):
        sweep(job(), 1.0, 0.1, 40)
