"""Whole trainings of small nets that NumPy has too: their solvers, and what each of their iterations leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers.checks import Array

Params = dict[str, Array]
Values = dict[str, Any]

BATCH, TRAIN, TEST, LAST = 4, 23, 12, 12
"""Samples of a batch, of the training and of a test; iterations."""
random = np.random.default_rng(3)
DATA = {"x": random.normal(size=(TRAIN, 3)), "z": random.normal(size=(TRAIN, 3)), "y": random.normal(size=(TRAIN, 2))}
DATA["label"] = random.integers(0, 5, TRAIN).astype(float)


def dense(x: Array, w: Array, b: Array) -> Array:
    return x @ w.T + b


def euclidean(top: Array, target: Array) -> tuple[float, Array]:
    return float(((top - target) ** 2).sum() / (2 * len(top))), (top - target) / len(top)


def sigmoid(w: Params, x: Array, y: Array) -> tuple[float, Params]:
    """Two InnerProducts with a Sigmoid between them, and EuclideanLoss."""
    hidden = 1 / (1 + np.exp(-dense(x, w["a.weight"], w["a.bias"])))
    loss, top = euclidean(dense(hidden, w["b.weight"], w["b.bias"]), y)
    inner = top @ w["b.weight"] * hidden * (1 - hidden)
    return loss, {
        "a.weight": inner.T @ x, "a.bias": inner.sum(0), "b.weight": top.T @ hidden, "b.bias": top.sum(0)
    }  # fmt: skip


def softmax(w: Params, x: Array, label: Array) -> tuple[float, Params]:
    """InnerProduct and SoftmaxWithLoss."""
    top = dense(x, w["a.weight"], w["a.bias"])
    p = np.exp(top - top.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    one = np.eye(5)[label.astype(int)]
    top = (p - one) / len(x)
    return float(-np.log((p * one).sum(1)).mean()), {"a.weight": top.T @ x, "a.bias": top.sum(0)}


def shared(w: Params, x: Array, z: Array, y: Array) -> tuple[float, Params]:
    """One InnerProduct on two inputs, each with a EuclideanLoss: gradients of shared params add up."""
    one, top = euclidean(dense(x, w["a.weight"], w["a.bias"]), y)
    two, other = euclidean(dense(z, w["a.weight"], w["a.bias"]), y)
    return one + two, {"a.weight": top.T @ x + other.T @ z, "a.bias": top.sum(0) + other.sum(0)}


def ip(name: str, bottom: str, outputs: int, param: tuple[Values, ...] = ()) -> Values:
    own = {"param": list(param)} if param else {}
    return {"name": name, "type": "InnerProduct", "bottom": bottom, "num_output": outputs, **own}


def loss(bottom: str, target: str, kind: str = "EuclideanLoss", name: str = "loss") -> Values:
    return {"name": name, "type": kind, "bottom": [bottom, target]}


BOTH = ({"name": "w"}, {"name": "b"})
NETS: dict[str, tuple[Callable[..., tuple[float, Params]], list[str], Callable[..., list[Values]]]] = {
    "sigmoid": (
        sigmoid,
        ["x", "y"],
        lambda *p: [ip("a", "x", 7, p), {"name": "s", "type": "Sigmoid"}, ip("b", "s", 2), loss("b", "y")],
    ),
    "softmax": (softmax, ["x", "label"], lambda *p: [ip("a", "x", 5, p), loss("a", "label", "SoftmaxWithLoss")]),
    "shared": (
        shared,
        ["x", "z", "y"],
        lambda *p: [
            ip("a", "x", 2, tuple(one | own for one, own in zip(BOTH, p or ({}, {}), strict=True))),
            ip("c", "z", 2, BOTH),
            loss("a", "y"),
            loss("c", "y", name="other"),
        ],
    ),
}
SHAPES = {"sigmoid": {"a": (7, 3), "b": (2, 7)}, "softmax": {"a": (5, 3)}, "shared": {"a": (2, 3)}}
SPLIT = ({"lr_mult": 0.5, "decay_mult": 2}, {"lr_mult": 2, "decay_mult": 0})
"""Multipliers of the first layer's params."""


def solver(net: str, param: tuple[Values, ...], folder: Path, **settings: Any) -> tuple[Values, Params]:
    """A training in float64 on the data in their order, as plain values, and the weights that it is to begin with."""
    _, inputs, layers = NETS[net]
    for one in inputs:
        np.save(folder / f"{one}.npy", DATA[one])
    tops = {"name": "data", "type": "Input", "top": inputs, "shape": [[BATCH, *DATA[one].shape[1:]] for one in inputs]}
    source = {"type": "Arrays", "outputs": [str(folder / f"{one}.npy") for one in inputs]}
    data: Values = {"train": {"source": source, "batch_size": BATCH, "shuffle": False}}
    if "test_interval" in settings:
        data["test"] = data["train"] | {"limit": TEST}
    fixed = {"lr_policy": {"type": "fixed"}, "max_iter": LAST, "dtype": "float64", "snapshot_keep": 99}
    rng, weights = np.random.default_rng(9), {}
    for layer, shape in SHAPES[net].items():
        weights |= {f"{layer}.weight": rng.normal(size=shape), f"{layer}.bias": rng.normal(size=shape[0])}
    return fixed | settings | {"net": {"name": net, "layers": [tops, *layers(*param)]}, "data": data}, weights


def begun(values: Values, weights: Mapping[str, Array]) -> tuple[Session, list[Values]]:
    """A session with these weights, and the list of what its iterations leave: it grows with every step."""
    one, found = Session(load_solver(values)), []
    own = one.train.weights
    for name, array in weights.items():
        own.data[own.index(name)][...] = array
    own.begin_averages()
    step = one.step

    def stepped() -> float:
        rate, loss = one.rate, step()
        history = {name: tuple(slots.values()) for name, slots in zip(own.names, own.history, strict=True)}
        named, norm = dict(zip(own.names, own.data, strict=True)), float(one.train.norm[0])
        found.append(left(named, history, loss, one.loss, rate, norm))
        return loss

    one.step = stepped  # type: ignore[method-assign]
    return one, found


def left(w: Params, history: Mapping[str, Sequence[Array]], *numbers: float) -> Values:
    """What an iteration leaves behind, copied: weights, history, and numbers."""
    copies = {f"history {i} of {name}": h.copy() for name, slots in history.items() for i, h in enumerate(slots)}
    return {name: array.copy() for name, array in w.items()} | copies | {"numbers": np.array(numbers)}


def compare(found: list[Values], wanted: list[Values], near: float) -> float:
    """Compare each iteration with what was wanted, by the names that it has there; returns the largest error."""
    assert len(found) == len(wanted)
    worst = 0.0
    for i, (own, other) in enumerate(zip(found, wanted, strict=True)):
        for name in other:
            np.testing.assert_allclose(own[name], other[name], rtol=near, atol=near, err_msg=f"{name} of iteration {i}")
            worst = max(worst, float(np.abs(own[name] - other[name]).max()))
    return worst
