"""Solvers as examples of rules that look at a probe: small nets on samples that a formula makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

SAMPLES = 80
FEATURES = 6
CLASSES = 4


def value(sample: int, feature: int) -> float:
    """A number from -1 to 1 that looks random."""
    return ((sample + 1) * 7919 + (feature + 3) * (sample + 5) * 104729) % 2001 / 1000 - 1


def own_class(sample: int) -> int:
    """The classes take turns."""
    return sample % CLASSES


def feed(
    x: Callable[[int, int], float] = value,
    label: Callable[[int], float] = own_class,
    samples: range = range(SAMPLES),
    **fields: Any,
) -> dict[str, Any]:
    """Data of samples, each a function of its number and its feature, with their labels."""
    values = [[[x(sample, feature) for feature in range(FEATURES)] for sample in samples], list(map(label, samples))]
    return {"source": {"type": "Arrays", "values": values}, "batch_size": 20, **fields}


def product(name: str, outputs: int = 8, **fields: Any) -> dict[str, Any]:
    """An InnerProduct with random weights."""
    return {"name": name, "type": "InnerProduct", "num_output": outputs, "weight_filler": "msra", **fields}


def solver(
    layers: Sequence[Mapping[str, Any]] = (product("hidden"), {"name": "relu", "type": "ReLU"}),
    train: Mapping[str, Any] | None = None,
    test: Mapping[str, Any] | None = None,
    classes: int = CLASSES,
    **fields: Any,
) -> dict[str, Any]:
    """A solver of these layers between an Input and a product with a softmax."""
    first = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[20, FEATURES], [20]]}
    last = [product("scores", classes), {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]}]
    data = {"train": feed() if train is None else train, **({} if test is None else {"test": test})}
    own = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 100, **fields}
    return {**own, "net": {"layers": [first, *layers, *last]}, "data": data}
