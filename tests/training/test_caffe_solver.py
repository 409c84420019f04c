"""Whole trainings beside Caffe's solver: a model of its loop in NumPy, that knows its facts and nothing of netspec.

The model has its own nets, forward and backward. Compared are, of each iteration, the weights, the history, the loss,
the displayed loss, the rate and the norm of the gradient, and the order of tests, progress lines and snapshots. Where
netspec departs on purpose (`netspec/training/solve.py`), the model does as netspec.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.training import events
from netspec.training.session import Session
from netspec.training.solve import solve
from tests.helpers.checks import Array
from tests.helpers.sessions import Values
from tests.helpers.trainings import BATCH, DATA, LAST, NETS, SPLIT, TEST, TRAIN, Params, begun, compare, left, solver


class Caffe:
    """Caffe's solver: `log` has what happens, `seen` what each iteration leaves."""

    def __init__(self, net: str, weights: Params, param: tuple[Values, ...], settings: Values) -> None:
        self.net, self.inputs, _ = NETS[net]
        self.w, self.s = {name: array.copy() for name, array in weights.items()}, settings
        self.local = {name: Values() for name in weights} | dict(zip(weights, param, strict=False))
        two = settings.get("type") in ("AdaDelta", "Adam")
        self.learned = [name for name, own in self.local.items() if own.get("lr_mult", 1) != 0]
        self.history = {name: [np.zeros_like(weights[name]) for _ in range(1 + two)] for name in self.learned}
        self.iter = self.step = 0
        self.window: list[float] = []
        self.smoothed = 0.0
        self.log: list[tuple[Any, ...]] = []
        self.seen: list[dict[str, Any]] = []

    def batch(self, number: int, samples: int) -> list[Array]:
        return [DATA[name][(number * BATCH + np.arange(BATCH)) % samples] for name in self.inputs]

    def rate(self) -> float:
        policy, t, base = self.s["lr_policy"], self.iter, self.s["base_lr"]
        gamma, power = policy.get("gamma", 0), policy.get("power", 0)
        if policy["type"] == "multistep":
            values = policy["stepvalue"]
            self.step += self.step < len(values) and t >= values[self.step]  # one step at most
        rates: dict[str, Callable[[], float]] = {
            "fixed": lambda: base,
            "step": lambda: base * gamma ** (t // policy["stepsize"]),
            "exp": lambda: base * gamma**t,
            "inv": lambda: base * (1 + gamma * t) ** -power,
            "multistep": lambda: base * gamma**self.step,
            "poly": lambda: base * (1 - t / self.s["max_iter"]) ** power,
            "sigmoid": lambda: base / (1 + np.exp(-gamma * (t - policy["stepsize"]))),
        }
        return rates[policy["type"]]()

    def update(self, name: str, g: Array, eta: float) -> Array:
        s, h, mu = self.s, self.history[name], self.s.get("momentum", 0.0)
        delta, beta2, rho = s.get("delta", 1e-8), s.get("momentum2", 0.999), s.get("rms_decay", 0.99)
        kind, before = s.get("type", "SGD"), h[0]
        if kind in ("SGD", "Nesterov"):
            h[0] = mu * h[0] + eta * g
            return h[0] if kind == "SGD" else (1 + mu) * h[0] - mu * before
        if kind in ("AdaGrad", "RMSProp"):
            h[0] = h[0] + g * g if kind == "AdaGrad" else rho * h[0] + (1 - rho) * g * g
            return eta * g / (np.sqrt(h[0]) + delta)
        if kind == "AdaDelta":
            h[0] = mu * h[0] + (1 - mu) * g * g
            d = g * np.sqrt((delta + h[1]) / (delta + h[0]))
            h[1] = mu * h[1] + (1 - mu) * d * d
            return eta * d
        t = self.iter + 1
        h[0], h[1] = mu * h[0] + (1 - mu) * g, beta2 * h[1] + (1 - beta2) * g * g
        return eta * np.sqrt(1 - beta2**t) / (1 - mu**t) * h[0] / (np.sqrt(h[1]) + delta)

    def apply(self, diffs: Params, rate: float) -> float:
        """ClipGradients, then for each param Normalize, Regularize, ComputeUpdateValue; the norm before clipping."""
        s, size = self.s, self.s.get("iter_size", 1)
        norm = float(np.sqrt(sum((diffs[name] ** 2).sum() for name in self.learned)))
        clip = s.get("clip_gradients", -1)
        scale = clip / norm if 0 <= clip < norm else 1.0
        for name in self.learned:
            own = self.local[name]
            g, decay = diffs[name] * scale / size, s.get("weight_decay", 0) * own.get("decay_mult", 1)
            g = g + decay * (np.sign(self.w[name]) if s.get("regularization_type") == "L1" else self.w[name])
            self.w[name] = self.w[name] - self.update(name, g, rate * own.get("lr_mult", 1))
        return norm

    def smooth(self, loss: float, over: int) -> float:
        """A running mean while the window fills for the first time, then by what comes and what goes."""
        if len(self.window) < over:
            self.window.append(loss)
            self.smoothed += (loss - self.smoothed) / len(self.window)
        else:
            self.smoothed += (loss - self.window[self.iter % over]) / over
            self.window[self.iter % over] = loss
        return self.smoothed

    def test(self) -> None:
        scores = [self.net(self.w, *self.batch(i, TEST))[0] for i in range(TEST // BATCH)]
        self.log.append(("test", self.iter, sum(scores) / len(scores)))

    def train(self, stop: int) -> None:
        s, size, test = self.s, self.s.get("iter_size", 1), self.s.get("test_interval", 0)
        while self.iter < stop:
            if test and self.iter % test == 0 and (self.iter > 0 or s.get("test_initialization", True)):
                self.test()
            runs = [self.net(self.w, *self.batch(self.iter * size + i, TRAIN)) for i in range(size)]
            loss = sum(value for value, _ in runs) / size
            smoothed, rate = self.smooth(loss, s.get("average_loss", 1)), self.rate()
            norm = self.apply({name: np.sum([g[name] for _, g in runs], axis=0) for name in self.w}, rate)
            if s.get("display") and self.iter % s["display"] == 0:
                self.log.append(("display", self.iter, smoothed, rate, norm))
            self.iter += 1
            self.seen.append(left(self.w, self.history, loss, smoothed, rate, norm))
            if s.get("snapshot") and self.iter % s["snapshot"] == 0:
                self.log.append(("snapshot", self.iter))

    def end(self) -> None:
        """The last snapshot and test; Caffe itself tests here only where the interval ends."""
        s = self.s
        if s.get("snapshot_after_train", True) and not (s.get("snapshot") and self.iter % s["snapshot"] == 0):
            self.log.append(("snapshot", self.iter))
        if "test_interval" in s:
            self.test()


FIXED, STEPS = {"type": "fixed"}, {"type": "multistep", "gamma": 0.5, "stepvalue": [3, 5, 9]}
SGD, RMS = {"base_lr": 0.1, "momentum": 0.9}, {"type": "RMSProp", "base_lr": 0.1}
L1 = {"weight_decay": 0.1, "regularization_type": "L1"}

RUNS: dict[str, tuple[str, tuple[Values, ...], Values]] = {
    # rules
    "sgd": ("sigmoid", (), {"base_lr": 0.1}),
    "sgd momentum": ("sigmoid", (), SGD),
    "sgd softmax": ("softmax", (), SGD | {"weight_decay": 0.01}),
    "nesterov": ("sigmoid", (), SGD | {"type": "Nesterov"}),
    "nesterov without momentum": ("sigmoid", (), {"type": "Nesterov", "base_lr": 0.1}),
    "nesterov decay": ("softmax", SPLIT, SGD | {"type": "Nesterov", "weight_decay": 0.1, "momentum": 0.5}),
    "adagrad": ("sigmoid", (), {"type": "AdaGrad", "base_lr": 0.1}),
    "adagrad delta": ("softmax", SPLIT, {"type": "AdaGrad", "base_lr": 0.1, "delta": 0.3, "weight_decay": 0.1}),
    "rmsprop": ("sigmoid", (), {"type": "RMSProp", "base_lr": 0.01}),
    "rmsprop fields": ("softmax", SPLIT, {"type": "RMSProp", "base_lr": 0.1, "rms_decay": 0.6, "delta": 0.3}),
    "adadelta": ("sigmoid", (), {"type": "AdaDelta", "base_lr": 1.0}),
    "adadelta fields": ("softmax", SPLIT, {"type": "AdaDelta", "base_lr": 0.9, "momentum": 0.95, "delta": 1e-3}),
    "adam": ("sigmoid", (), {"type": "Adam", "base_lr": 0.01}),
    "adam fields": ("sigmoid", (), {"type": "Adam", "base_lr": 0.1, "momentum": 0.9, "momentum2": 0.8, "delta": 0.1}),
    "adam decay": ("softmax", SPLIT, {"type": "Adam", "base_lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    # policies
    "step": ("sigmoid", (), SGD | {"lr_policy": {"type": "step", "gamma": 0.3, "stepsize": 4}}),
    "step of one": ("sigmoid", (), SGD | {"lr_policy": {"type": "step", "gamma": 0.8, "stepsize": 1}}),
    "step by 0": ("sigmoid", (), SGD | {"lr_policy": {"type": "step", "gamma": 0, "stepsize": 5}}),
    "exp": ("sigmoid", (), SGD | {"lr_policy": {"type": "exp", "gamma": 0.8}}),
    "exp rising": ("softmax", (), SGD | {"base_lr": 0.01, "lr_policy": {"type": "exp", "gamma": 1.2}}),
    "inv": ("sigmoid", (), SGD | {"lr_policy": {"type": "inv", "gamma": 0.3, "power": 0.75}}),
    "inv power 0": ("sigmoid", (), SGD | {"lr_policy": {"type": "inv", "gamma": 0.3, "power": 0}}),
    "multistep": ("sigmoid", (), SGD | {"lr_policy": STEPS}),
    "multistep equal": ("sigmoid", (), SGD | {"lr_policy": STEPS | {"stepvalue": [4, 4, 4, 5]}}),
    "multistep at 0": ("sigmoid", (), SGD | {"lr_policy": STEPS | {"stepvalue": [0, 0, 7]}}),
    "multistep equal and late": ("softmax", (), SGD | {"lr_policy": STEPS | {"stepvalue": [9, 11, 11, 40]}}),
    "poly": ("sigmoid", (), SGD | {"lr_policy": {"type": "poly", "power": 0.5}}),
    "poly power 0": ("sigmoid", (), SGD | {"lr_policy": {"type": "poly", "power": 0}}),
    "sigmoid rises": ("sigmoid", (), SGD | {"lr_policy": {"type": "sigmoid", "gamma": 0.7, "stepsize": 6}}),
    # regularizers and multipliers
    "l2": ("sigmoid", (), SGD | {"weight_decay": 0.1}),
    "l1": ("sigmoid", (), SGD | L1),
    "l1 adagrad": ("softmax", SPLIT, {"type": "AdaGrad", "base_lr": 0.1} | L1),
    "multipliers": ("sigmoid", SPLIT, SGD | {"weight_decay": 0.1}),
    "frozen weight": ("sigmoid", ({"lr_mult": 0},), SGD | {"weight_decay": 0.1, "clip_gradients": 0.3}),
    "frozen bias": ("softmax", ({}, {"lr_mult": 0}), {"type": "Adam", "base_lr": 0.1, "weight_decay": 0.1}),
    "shared": ("shared", (), SGD | {"weight_decay": 0.1}),
    "shared adam": ("shared", SPLIT, {"type": "Adam", "base_lr": 0.1, "weight_decay": 0.1, "iter_size": 2}),
    # clipping and iter_size
    "clipped": ("sigmoid", (), SGD | {"clip_gradients": 0.4, "weight_decay": 0.1}),
    "clipped never": ("sigmoid", (), SGD | {"clip_gradients": 1e6}),
    "iter_size": ("sigmoid", SPLIT, SGD | {"iter_size": 3, "weight_decay": 0.1}),
    "clipped sum": ("sigmoid", (), SGD | {"iter_size": 3, "clip_gradients": 0.8, "weight_decay": 0.1}),
    "clipped sum rmsprop": ("softmax", SPLIT, RMS | {"iter_size": 2, "clip_gradients": 0.5}),
    "clipped shared": ("shared", SPLIT, SGD | {"iter_size": 2, "clip_gradients": 1.5}),
    # the loop
    "average_loss": ("sigmoid", (), SGD | {"average_loss": 5, "display": 2}),
    "average_loss longer": ("sigmoid", (), SGD | {"average_loss": 50, "display": 1}),
    "order": ("sigmoid", (), SGD | {"display": 3, "test_interval": 4, "snapshot": 2, "average_loss": 3}),
    "no first test": ("sigmoid", (), SGD | {"test_interval": 3, "test_initialization": False, "snapshot": 5}),
    "no last snapshot": ("sigmoid", (), SGD | {"snapshot": 5, "snapshot_after_train": False, "test_interval": 6}),
    "all together": (
        "sigmoid",
        SPLIT,
        {"type": "Adam", "base_lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "iter_size": 2, "clip_gradients": 0.5}
        | {"lr_policy": STEPS, "average_loss": 4, "display": 5, "test_interval": 5, "snapshot": 4},
    ),
}  # fmt: skip


def happened(session: Session, folder: Path) -> list[tuple[Any, ...]]:
    """Train to the end: what happens, as the model's log has it."""
    log: list[tuple[Any, ...]] = []
    for event in solve(session, folder):
        if isinstance(event, events.Tested):
            log.append(("test", event.iteration, event.outputs["loss"]))
        elif isinstance(event, events.Display):
            log.append(("display", event.iteration, event.loss, event.rate, event.gradient))
        elif isinstance(event, events.Snapshotted):
            log.append(("snapshot", event.iteration))
    return log


def compare_logs(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]], near: float) -> None:
    assert [event[:2] for event in found] == [event[:2] for event in wanted]
    for own, other in zip(found, wanted, strict=True):
        assert own[2:] == pytest.approx(other[2:], rel=near, abs=near), own[:2]


def both(name: str, folder: Path, **others: Any) -> tuple[Values, Caffe]:
    """A run as netspec's solver, and as Caffe's with equal weights."""
    net, param, own = RUNS[name]
    values, weights = solver(net, param, folder, **own, **others)
    return values, Caffe(net, weights, param, values)


@pytest.mark.parametrize("name", RUNS)
def test_every_iteration_is_caffes(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    values, caffe = both(name, tmp_path)
    one, found = begun(values, caffe.w)
    log = happened(one, tmp_path)
    caffe.train(LAST)
    caffe.end()
    record_property("error", compare(found, caffe.seen, 1e-12))
    compare_logs(log, caffe.log, 1e-12)


@pytest.mark.parametrize("name", ["clipped sum", "multistep equal", "all together"])
def test_iterations_in_float32_are_caffes(name: str, tmp_path: Path) -> None:
    values, caffe = both(name, tmp_path, dtype="float32")
    one, found = begun(values, caffe.w)
    log = happened(one, tmp_path)
    caffe.train(LAST)
    caffe.end()
    compare(found, caffe.seen, 1e-5)
    compare_logs(log, caffe.log, 1e-5)


@pytest.mark.parametrize("done", [4, 5, 7])
@pytest.mark.parametrize("name", ["adadelta fields", "multistep equal", "order", "all together"])
def test_resumed_in_the_middle_it_goes_on_as_if_nothing_had_been(name: str, done: int, tmp_path: Path) -> None:
    values, caffe = both(name, tmp_path)
    before, found = begun(values, caffe.w)
    for _ in range(done):
        before.step()
    before.close()
    before.snapshot(tmp_path / "middle.safetensors")
    after, later = begun(values, {})
    after.restore(tmp_path / "middle.safetensors")
    log = happened(after, tmp_path)
    caffe.train(done)
    caffe.log.clear()
    caffe.train(LAST)
    caffe.end()
    compare(found + later, caffe.seen, 1e-12)
    compare_logs(log, caffe.log, 1e-12)
