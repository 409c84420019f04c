"""Policies beside PyTorch's schedulers, where the definitions agree. Skipped without torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.counts import Pace
from netspec.training.course import Course
from netspec.training.policies.base import POLICIES
from netspec.training.spec import SolverSpec

torch = pytest.importorskip("torch")
s = torch.optim.lr_scheduler

LAST = 60
BASE = 0.3

TABLE: list[tuple[dict[str, Any], Callable[[Any], Any]]] = [
    ({"type": "fixed"}, lambda o: s.ConstantLR(o, factor=1.0)),
    ({"type": "step", "gamma": 0.3, "stepsize": 7}, lambda o: s.StepLR(o, 7, 0.3)),
    ({"type": "multistep", "gamma": 0.3, "stepvalue": (5, 6, 40)}, lambda o: s.MultiStepLR(o, [5, 6, 40], 0.3)),
    ({"type": "exp", "gamma": 0.9}, lambda o: s.ExponentialLR(o, 0.9)),
    ({"type": "poly", "power": 0.7}, lambda o: s.PolynomialLR(o, LAST, 0.7)),
    ({"type": "inv", "gamma": 0.1, "power": 0.75}, lambda o: s.LambdaLR(o, lambda t: (1 + 0.1 * t) ** -0.75)),
    ({"type": "linear", "length": 13, "min_lr": 0.03}, lambda o: s.LinearLR(o, 1.0, 0.1, 13)),
    ({"type": "cosine", "min_lr": 0.01}, lambda o: s.CosineAnnealingLR(o, LAST, 0.01)),
    ({"type": "cosine", "length": 7}, lambda o: s.CosineAnnealingWarmRestarts(o, 7)),
    (
        {"type": "cosine", "length": 4, "growth": 3, "min_lr": 0.02},
        lambda o: s.CosineAnnealingWarmRestarts(o, 4, 3, 0.02),
    ),
    ({"type": "one_cycle"}, lambda o: s.OneCycleLR(o, BASE, LAST, cycle_momentum=False)),
    (
        {"type": "one_cycle", "length": 47, "pct_start": 0.21, "anneal_strategy": "linear", "div_factor": 7.0},
        lambda o: s.OneCycleLR(
            o, BASE, 47, pct_start=0.21, anneal_strategy="linear", div_factor=7, cycle_momentum=False
        ),
    ),
    (
        {"type": "one_cycle", "pct_start": 0.4, "three_phase": True, "final_div_factor": 30.0},
        lambda o: s.OneCycleLR(
            o, BASE, LAST, pct_start=0.4, three_phase=True, final_div_factor=30, cycle_momentum=False
        ),
    ),
    (
        {"type": "triangular", "max_lr": 0.9, "stepsize": 7},
        lambda o: s.CyclicLR(o, BASE, 0.9, 7, cycle_momentum=False),
    ),
    (
        {"type": "triangular", "max_lr": 0.9, "stepsize": 7, "mode": "triangular2"},
        lambda o: s.CyclicLR(o, BASE, 0.9, 7, mode="triangular2", cycle_momentum=False),
    ),
    (
        {"type": "triangular", "max_lr": 0.9, "stepsize": 7, "mode": "exp_range", "gamma": 0.97},
        lambda o: s.CyclicLR(o, BASE, 0.9, 7, mode="exp_range", gamma=0.97, cycle_momentum=False),
    ),
    (
        {"type": "cosine", "warmup": {"length": 9, "from": 0.2}},
        lambda o: s.ChainedScheduler([s.CosineAnnealingLR(o, LAST), s.LinearLR(o, 0.2, 1.0, 9)]),
    ),
]


def optimizer() -> Any:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)


@pytest.mark.parametrize(("fields", "scheduler"), TABLE)
def test_rates_are_those_of_a_scheduler(fields: dict[str, Any], scheduler: Callable[[Any], Any]) -> None:
    policy = {key: value for key, value in fields.items() if key != "warmup"}
    values = {"base_lr": BASE, "lr_policy": policy, "max_iter": LAST, "warmup": fields.get("warmup"), "rule": {}}
    spec, course, own = SolverSpec.model_validate(values), Course(BASE, LAST, Pace(None, 1)), optimizer()
    with warnings.catch_warnings():  # of steps of the scheduler without steps of the optimizer
        warnings.simplefilter("ignore")
        steps, length = scheduler(own), fields.get("length", LAST) if fields["type"] == "one_cycle" else LAST
        for iteration in range(length):
            wanted = own.param_groups[0]["lr"]
            assert spec.rate(iteration, course) == pytest.approx(wanted, rel=1e-11, abs=1e-16), iteration
            steps.step() if iteration < length - 1 else None


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(("patience", "cooldown", "threshold"), [(0, 0, 1e-4), (2, 0, 0.01), (1, 3, 0.0), (2, 2, 0.05)])
def test_plateau_reduces_as_torch(
    mode: str, threshold_mode: str, patience: int, cooldown: int, threshold: float
) -> None:
    fields = {"patience": patience, "cooldown": cooldown, "threshold": threshold, "threshold_mode": threshold_mode}
    plateau = POLICIES.get("plateau").model_validate({"metric": "a/b", "mode": mode, "factor": 0.3, **fields})
    own, random = optimizer(), torch.Generator().manual_seed(5)
    steps = s.ReduceLROnPlateau(own, mode=mode, factor=0.3, eps=0, **fields)
    sign, tests = 1 if mode == "max" else -1, []
    for i, score in enumerate((torch.rand(50, generator=random) + torch.arange(50) / 25).tolist()):
        tests.append((i, {"a/b": 2 + sign * score / 4}))
        steps.step(2 + sign * score / 4)
        assert plateau.rate(i, Course(BASE, None, Pace(None, 1), tests)) == pytest.approx(own.param_groups[0]["lr"])
    assert own.param_groups[0]["lr"] < BASE
