"""Caffe's training loop in NumPy, written from its description: for one net of two dense layers and its HDF5 data.

Data are read in their order, in whole batches that run across their end. All numbers are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = list[np.ndarray[Any, Any]]


class Reader:
    """Rows in their order, again from the first behind the last."""

    def __init__(self, x: Any, y: Any, batch: int) -> None:
        self.x, self.y, self.batch, self.at = x, y, batch, 0

    def next(self) -> tuple[Any, Any]:
        rows = [(self.at + i) % len(self.x) for i in range(self.batch)]
        self.at += self.batch
        return self.x[rows].astype(np.float64), self.y[rows].astype(int)


def forward(params: Arrays, x: Any, y: Any) -> tuple[float, float, Arrays]:
    """Loss, accuracy and gradients of ip1 - ReLU - ip2 - SoftmaxWithLoss."""
    w1, b1, w2, b2 = params
    h = x @ w1.T + b1
    r = np.maximum(h, 0)
    z = r @ w2.T + b2
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n = len(y)
    loss = -np.log(p[np.arange(n), y]).mean()
    others = (z >= z[np.arange(n), y][:, None]).sum(1) - 1
    d = p.copy()
    d[np.arange(n), y] -= 1
    d /= n
    dh = (d @ w2) * (h > 0)
    return float(loss), float((others < 1).mean()), [dh.T @ x, dh.sum(0), d.T @ r, d.sum(0)]


@dataclass
class Loop:
    """The loop of a solver with its fields as in Caffe; `lr_mult` and `decay_mult` are those of the four params."""

    params: Arrays
    train: Reader
    solver: dict[str, Any]
    test: Reader | None = None
    lr_mult: Sequence[float] = (1, 1, 1, 1)
    decay_mult: Sequence[float] = (1, 1, 1, 1)
    iter: int = 0
    step_at: int = 0
    history: list[Arrays] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    tests: list[tuple[int, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        slots = 2 if self.get("type", "SGD") in ("AdaDelta", "Adam") else 1
        self.history = [[np.zeros_like(p) for p in self.params] for _ in range(slots)]

    def get(self, name: str, default: Any = 0) -> Any:
        return self.solver.get(name, default)

    def rate(self) -> float:
        base, gamma, power, t = self.get("base_lr"), self.get("gamma"), self.get("power"), self.iter
        policy = self.get("lr_policy")
        if policy == "fixed":
            return base
        if policy == "step":
            return base * gamma ** (t // self.get("stepsize"))
        if policy == "exp":
            return base * gamma**t
        if policy == "inv":
            return base * (1 + gamma * t) ** -power
        if policy == "multistep":
            values = self.get("stepvalue", [])
            if self.step_at < len(values) and t >= values[self.step_at]:
                self.step_at += 1
            return base * gamma**self.step_at
        if policy == "poly":
            return base * (1 - t / self.get("max_iter")) ** power
        assert policy == "sigmoid"
        return base / (1 + np.exp(-gamma * (t - self.get("stepsize"))))

    def run_tests(self) -> None:
        assert self.test is not None
        found = [forward(self.params, *self.test.next())[:2] for _ in range(self.get("test_iter"))]
        loss, accuracy = np.mean(found, axis=0)
        self.tests.append((self.iter, float(accuracy), float(loss)))

    def due(self) -> bool:
        every = self.get("test_interval")
        return bool(self.test and every and self.iter % every == 0)

    def step(self, n: int) -> None:
        for _ in range(n):
            if self.due() and (self.iter > 0 or self.get("test_initialization", True)):
                self.run_tests()
            size = self.get("iter_size", 1)
            diffs, total = [np.zeros_like(p) for p in self.params], 0.0
            for _ in range(size):
                loss, _, grads = forward(self.params, *self.train.next())
                total += loss
                diffs = [d + g * (m != 0) for d, g, m in zip(diffs, grads, self.lr_mult, strict=True)]
            self.losses.append(total / size)
            self.update(diffs, size)

    def update(self, diffs: Arrays, size: int = 1) -> None:
        rate, clip = self.rate(), self.get("clip_gradients", -1)
        norm = np.sqrt(sum((d**2).sum() for d in diffs))
        if clip >= 0 and norm > clip:
            diffs = [d * clip / norm for d in diffs]
        for i, (w, d) in enumerate(zip(self.params, diffs, strict=True)):
            g, decay = d / size, self.get("weight_decay") * self.decay_mult[i]
            g = g + decay * (np.sign(w) if self.get("regularization_type", "L2") == "L1" else w)
            w -= self.change(i, g, rate * self.lr_mult[i])
        self.iter += 1

    def change(self, i: int, g: Any, rate: float) -> Any:
        kind, momentum, delta = self.get("type", "SGD"), self.get("momentum"), self.get("delta", 1e-8)
        h = self.history[0][i]
        if kind in ("SGD", "Nesterov"):
            before = h.copy()
            h[...] = momentum * h + rate * g
            return h if kind == "SGD" else (1 + momentum) * h - momentum * before
        if kind == "AdaGrad":
            h += g**2
            return rate * g / (np.sqrt(h) + delta)
        if kind == "RMSProp":
            decay = self.get("rms_decay", 0.99)
            h[...] = decay * h + (1 - decay) * g**2
            return rate * g / (np.sqrt(h) + delta)
        other = self.history[1][i]
        if kind == "AdaDelta":
            h[...] = momentum * h + (1 - momentum) * g**2
            u = g * np.sqrt((delta + other) / (delta + h))
            other[...] = momentum * other + (1 - momentum) * u**2
            return rate * u
        second, t = self.get("momentum2", 0.999), self.iter + 1
        h[...] = momentum * h + (1 - momentum) * g
        other[...] = second * other + (1 - second) * g**2
        return rate * np.sqrt(1 - second**t) / (1 - momentum**t) * h / (np.sqrt(other) + delta)

    def solve(self) -> None:
        """Train to max_iter, and what Caffe does there."""
        self.step(self.get("max_iter") - self.iter)
        if self.get("display") and self.iter % self.get("display") == 0:
            self.train.next()
        if self.due():
            self.run_tests()
