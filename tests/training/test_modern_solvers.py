"""Whole trainings with solver types that Caffe lacks, beside their papers' formulas and PyTorch.

The gradients come from nets in NumPy. Compared are the weights of each iteration, and the rates; then averages of the
weights. What needs PyTorch is skipped without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.training.solve import solve
from tests.helpers.checks import Array
from tests.helpers.sessions import Values
from tests.helpers.trainings import BATCH, DATA, LAST, NETS, SPLIT, TEST, TRAIN, Params, begun, compare, solver

Rule = Callable[[Array, Array, int, float, float, Params], Array]
"""(weight, gradient without decay, t from 1, rate, decay, state) -> the step, which is subtracted."""


def gradients(net: str, w: Params, iteration: int, batch: int = BATCH, samples: int = TRAIN) -> tuple[float, Params]:
    """The loss and the gradients of a batch."""
    loss, inputs, _ = NETS[net]
    return loss(w, *(DATA[name][(iteration * batch + np.arange(batch)) % samples] for name in inputs))


def lion(w: Array, g: Array, t: int, rate: float, decay: float, state: Params) -> Array:
    """Chen et al. 2023, algorithm 2."""
    m = state.get("m", np.zeros_like(w))
    state["m"] = 0.99 * m + 0.01 * g
    return rate * (np.sign(0.9 * m + 0.1 * g) + decay * w)


def lars(w: Array, g: Array, t: int, rate: float, decay: float, state: Params) -> Array:
    """You, Gitman & Ginsburg 2017, algorithm 1; biases and what has no decay are not scaled."""
    length, size = np.linalg.norm(w), np.linalg.norm(g)
    ratio = 0.001 * length / (size + decay * length) if w.ndim > 1 and decay else 1.0
    state["v"] = 0.9 * state.get("v", np.zeros_like(w)) + rate * ratio * (g + decay * w)
    return state["v"]


def moments(g: Array, t: int, state: Params, one: float, two: float) -> tuple[Array, Array]:
    """Adam's averages, freed from the bias of their start."""
    state["m"] = one * state.get("m", np.zeros_like(g)) + (1 - one) * g
    state["v"] = two * state.get("v", np.zeros_like(g)) + (1 - two) * g**2
    return state["m"] / (1 - one**t), state["v"] / (1 - two**t)


def lamb(w: Array, g: Array, t: int, rate: float, decay: float, state: Params) -> Array:
    """You et al. 2020, algorithm 2; biases and what has no decay are not scaled."""
    m, v = moments(g, t, state, 0.9, 0.999)
    step = m / (np.sqrt(v) + 1e-6) + decay * w
    return rate * step * (np.linalg.norm(w) / np.linalg.norm(step) if w.ndim > 1 and decay else 1.0)


def qhadam(w: Array, g: Array, t: int, rate: float, decay: float, state: Params) -> Array:
    """Ma & Yarats 2019, section 4, with nu of 0.6 and 0.8."""
    g = g + decay * w
    m, v = moments(g, t, state, 0.95, 0.98)
    return rate * (0.4 * g + 0.6 * m) / (np.sqrt(0.2 * g**2 + 0.8 * v) + 1e-8)


PAPERS: list[tuple[Rule, Values]] = [
    (lion, {"type": "Lion", "base_lr": 0.01}),
    (lars, {"type": "LARS", "base_lr": 2.0}),
    (lamb, {"type": "LAMB", "base_lr": 0.02}),
    (qhadam, {"type": "QHAdam", "base_lr": 0.02, "momentum": 0.95, "momentum2": 0.98, "nu": 0.6, "nu2": 0.8}),
]


@pytest.mark.parametrize("param", [(), SPLIT], ids=["alike", "multipliers"])
@pytest.mark.parametrize(("rule", "fields"), PAPERS, ids=[str(fields["type"]) for _, fields in PAPERS])
def test_every_iteration_is_the_papers(rule: Rule, fields: Values, param: tuple[Values, ...], tmp_path: Path) -> None:
    policy = {"type": "step", "gamma": 0.5, "stepsize": 4}  # what stands in a history meets another rate
    values, w = solver("sigmoid", param, tmp_path, **fields, weight_decay=0.1, lr_policy=policy)
    one, found = begun(values, w)
    states, wanted = {name: Params() for name in w}, []
    local = {name: Values() for name in w} | dict(zip(w, param, strict=False))
    for t in range(LAST):
        one.step()
        _, g = gradients("sigmoid", w, t)
        for name, own in local.items():
            rate = fields["base_lr"] * 0.5 ** (t // 4) * own.get("lr_mult", 1)
            decay = 0.1 * own.get("decay_mult", 1)
            w[name] = w[name] - rule(w[name], g[name], t + 1, rate, decay, states[name])
        wanted.append(dict(w))
    one.close()
    assert compare(found, wanted, 1e-12) < 1e-12


class InTorch:
    """Weights in PyTorch, whose gradients come from NumPy; each param is a group of its own."""

    def __init__(self, net: str, w: Params, batch: int, samples: int = TRAIN) -> None:
        self.torch = pytest.importorskip("torch")
        self.net, self.cut, self.iteration = net, (batch, samples), 0
        self.module = self.torch.nn.ParameterList([self.torch.from_numpy(array.copy()) for array in w.values()])
        self.named = dict(zip(w, self.module, strict=True))

    @property
    def weights(self) -> Params:
        return {name: array.detach().numpy().copy() for name, array in self.named.items()}

    def closure(self) -> Any:
        """Give the params their gradients; returns the loss."""
        loss, found = gradients(self.net, self.weights, self.iteration, *self.cut)
        for name, own in self.named.items():
            own.grad = self.torch.from_numpy(found[name].copy())
        return self.torch.tensor(loss)

    def groups(self, rate: float, decay: float, param: tuple[Values, ...]) -> list[Values]:
        """A group of each param, with its rate and decay; no decay where it is 0."""
        local = [*param, *({} for _ in self.named)]
        return [
            {"params": [own], "lr": rate * one.get("lr_mult", 1)}
            | ({"weight_decay": decay * one.get("decay_mult", 1)} if decay else {})
            for own, one in zip(self.module, local, strict=False)
        ]


@pytest.fixture
def plain_torch() -> Iterator[Any]:
    """PyTorch in float64 for the length of a test, without its warnings."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield torch
    torch.set_default_dtype(before)


RULES: list[tuple[Values, str, Values]] = [
    ({"type": "AdamW", "base_lr": 0.02}, "AdamW", {}),
    (
        {"type": "AdamW", "base_lr": 0.02, "momentum": 0.7, "momentum2": 0.9, "delta": 0.01},
        "AdamW",
        {"betas": (0.7, 0.9), "eps": 0.01},
    ),
    ({"type": "NAdam", "base_lr": 0.02}, "NAdam", {}),
    (
        {"type": "NAdam", "base_lr": 0.02, "momentum": 0.8, "momentum_decay": 0.1},
        "NAdam",
        {"betas": (0.8, 0.999), "momentum_decay": 0.1},
    ),
    ({"type": "AdaMax", "base_lr": 0.02}, "Adamax", {}),
    (
        {"type": "AdaMax", "base_lr": 0.02, "momentum": 0.8, "momentum2": 0.9, "delta": 0.1},
        "Adamax",
        {"betas": (0.8, 0.9), "eps": 0.1},
    ),
    ({"type": "RAdam", "base_lr": 0.02}, "RAdam", {}),
    (
        {"type": "RAdam", "base_lr": 0.02, "momentum": 0.8, "momentum2": 0.9, "delta": 0.01},
        "RAdam",
        {"betas": (0.8, 0.9), "eps": 0.01},
    ),
    ({"type": "Adafactor", "base_lr": 0.1}, "Adafactor", {"eps": (1e-30, 1e-3)}),
    ({"type": "Rprop", "base_lr": 1.0, "step": 0.02}, "Rprop", {}),
    (
        {"type": "Rprop", "base_lr": 1.0, "step": 0.02, "grow": 1.5, "shrink": 0.3, "step_min": 0.01, "step_max": 0.1},
        "Rprop",
        {"etas": (0.3, 1.5), "step_sizes": (0.01, 0.1)},
    ),
]


@pytest.mark.parametrize("param", [(), SPLIT], ids=["alike", "multipliers"])
@pytest.mark.parametrize(("fields", "other", "options"), RULES)
def test_every_iteration_is_torchs(
    fields: Values, other: str, options: Values, param: tuple[Values, ...], tmp_path: Path, plain_torch: Any
) -> None:
    rprop = other == "Rprop"
    if rprop and param:
        pytest.skip("a rate of PyTorch's Rprop is a first step, not a factor")
    decay = 0.0 if rprop else 0.1
    values, w = solver("sigmoid", param, tmp_path, **fields, weight_decay=decay)
    one, found = begun(values, w)
    theirs, wanted = InTorch("sigmoid", w, BATCH), []
    rate = fields["step"] if rprop else fields["base_lr"]
    optimizer = getattr(plain_torch.optim, other)(theirs.groups(rate, decay, param), **options)
    for theirs.iteration in range(LAST):
        one.step()
        theirs.closure()
        optimizer.step()
        wanted.append(theirs.weights)
    one.close()
    assert compare(found, wanted, 1e-10) < 1e-10


SCHEDULES: list[tuple[Values, Callable[[Any, Any], Any]]] = [
    ({"type": "step", "gamma": 0.3, "stepsize": 4}, lambda s, o: s.StepLR(o, 4, 0.3)),
    ({"type": "multistep", "gamma": 0.3, "stepvalue": [2, 3, 9]}, lambda s, o: s.MultiStepLR(o, [2, 3, 9], 0.3)),
    ({"type": "exp", "gamma": 0.8}, lambda s, o: s.ExponentialLR(o, 0.8)),
    ({"type": "poly", "power": 0.7}, lambda s, o: s.PolynomialLR(o, LAST, 0.7)),
    ({"type": "linear", "length": 7, "min_lr": 0.005}, lambda s, o: s.LinearLR(o, 1.0, 0.1, 7)),
    ({"type": "cosine", "min_lr": 0.01}, lambda s, o: s.CosineAnnealingLR(o, LAST, 0.01)),
    ({"type": "cosine", "length": 2, "growth": 2}, lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 2)),
    ({"type": "one_cycle"}, lambda s, o: s.OneCycleLR(o, 0.05, LAST, cycle_momentum=False)),
    (
        {"type": "triangular", "max_lr": 0.2, "stepsize": 3, "mode": "triangular2"},
        lambda s, o: s.CyclicLR(o, 0.05, 0.2, 3, mode="triangular2", cycle_momentum=False),
    ),
    (
        {"type": "cosine", "warmup": {"length": 4, "from": 0.25}},
        lambda s, o: s.ChainedScheduler([s.CosineAnnealingLR(o, LAST), s.LinearLR(o, 0.25, 1.0, 4)]),
    ),
]


@pytest.mark.parametrize(("policy", "scheduler"), SCHEDULES)
def test_every_iteration_is_that_of_a_scheduler(
    policy: Values, scheduler: Callable[[Any, Any], Any], tmp_path: Path, plain_torch: Any
) -> None:
    policy = policy.copy()
    warmup = {"warmup": policy.pop("warmup")} if "warmup" in policy else {}
    fields = {"type": "AdamW", "base_lr": 0.05, "weight_decay": 0.1, "lr_policy": policy, **warmup}
    values, w = solver("sigmoid", (), tmp_path, **fields)
    one, found = begun(values, w)
    theirs, wanted = InTorch("sigmoid", w, BATCH), []
    optimizer = plain_torch.optim.AdamW(theirs.groups(0.05, 0.1, ()))
    steps = scheduler(plain_torch.optim.lr_scheduler, optimizer)
    for theirs.iteration in range(LAST):
        rate = optimizer.param_groups[0]["lr"]
        assert one.rate == pytest.approx(rate, rel=1e-12, abs=1e-17)
        one.step()
        theirs.closure()
        optimizer.step()
        wanted.append(theirs.weights)
        if theirs.iteration < LAST - 1:
            steps.step()
    one.close()
    compare(found, wanted, 1e-10)


@pytest.mark.parametrize(("patience", "cooldown"), [(0, 0), (1, 0), (0, 2)])
def test_every_iteration_is_that_of_reduce_on_plateau(
    patience: int, cooldown: int, tmp_path: Path, plain_torch: Any
) -> None:
    how = {"patience": patience, "cooldown": cooldown, "threshold": 0.05, "factor": 0.3}
    policy = {"type": "plateau", "metric": "test/loss", "mode": "min", **how}
    fields = {"type": "AdamW", "base_lr": 0.2, "test_interval": 1, "lr_policy": policy, "max_iter": 30}
    values, w = solver("sigmoid", (), tmp_path, **fields)
    one, found = begun(values, w)
    theirs, wanted, rates = InTorch("sigmoid", w, BATCH), [], []
    optimizer = plain_torch.optim.AdamW(theirs.groups(0.2, 0.0, ()), weight_decay=0)
    steps = plain_torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0, **how)
    for theirs.iteration in range(30):
        scores = [gradients("sigmoid", theirs.weights, i, samples=TEST)[0] for i in range(TEST // BATCH)]
        steps.step(sum(scores) / len(scores))
        rates.append(optimizer.param_groups[0]["lr"])
        theirs.closure()
        optimizer.step()
        wanted.append(theirs.weights)
    for _ in solve(one):
        pass
    compare(found, wanted, 1e-10)
    assert [own["numbers"][2] for own in found] == pytest.approx(rates, rel=1e-12) and rates[-1] < rates[0]


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_every_average_is_that_of_swa_utils(kind: str, tmp_path: Path, plain_torch: Any) -> None:
    average = {"type": "ema", "decay": 0.8, "start": 1} if kind == "ema" else {"type": "swa", "start": 4, "every": 2}
    values, w = solver("sigmoid", (), tmp_path, type="AdamW", base_lr=0.05, average=average)
    one, _ = begun(values, w)
    theirs, utils = InTorch("sigmoid", w, BATCH), plain_torch.optim.swa_utils
    optimizer = plain_torch.optim.AdamW(theirs.groups(0.05, 0.0, ()), weight_decay=0)
    how = {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.8)} if kind == "ema" else {}
    model = utils.AveragedModel(theirs.module, **how)
    for theirs.iteration in range(LAST):
        one.step()
        theirs.closure()
        optimizer.step()
        done = theirs.iteration + 1
        if kind == "ema" or (done >= 4 and done % 2 == 0):
            model.update_parameters(theirs.module)
            averaged = one.train.weights.averaged
            for name, wanted in zip(w, model.module, strict=True):
                own = averaged.data[averaged.index(name)]
                np.testing.assert_allclose(own, wanted.detach().numpy(), rtol=1e-12, atol=1e-12)
    one.close()
