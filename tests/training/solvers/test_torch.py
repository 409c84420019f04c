"""Every rule that PyTorch has too, against its optimizer: 20 steps in float64. Skipped without torch.

Caffe adds Adam's delta in another place than PyTorch, so these two are compared where it is too small to count. With
`--junitxml FILE -o junit_family=xunit1` pytest writes the error of each comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.calls import Update
from netspec.training.solvers.base import SOLVERS
from tests.helpers.checks import Array
from tests.helpers.updates import history

torch = pytest.importorskip("torch")

RATE, DECAY = 0.05, 0.1
TABLE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.8}, "SGD", {"momentum": 0.8}),
    ("Nesterov", {"momentum": 0.8}, "SGD", {"momentum": 0.8, "nesterov": True}),
    ("AdaGrad", {"delta": 0.01}, "Adagrad", {"eps": 0.01}),
    ("RMSProp", {}, "RMSprop", {}),
    ("RMSProp", {"rms_decay": 0.9, "delta": 0.01}, "RMSprop", {"alpha": 0.9, "eps": 0.01}),
    ("AdaDelta", {"momentum": 0.9, "delta": 0.01}, "Adadelta", {"rho": 0.9, "eps": 0.01}),
    ("Adam", {"momentum": 0.8, "delta": 1e-17}, "Adam", {"betas": (0.8, 0.999), "eps": 1e-17}),
    ("AdamW", {}, "AdamW", {}),
    ("AdamW", {"momentum": 0.8, "delta": 0.01}, "AdamW", {"betas": (0.8, 0.999), "eps": 0.01}),
    ("NAdam", {}, "NAdam", {}),
    ("NAdam", {"momentum_decay": 0.1, "delta": 0.01}, "NAdam", {"momentum_decay": 0.1, "eps": 0.01}),
    ("RAdam", {}, "RAdam", {}),
    ("RAdam", {"momentum2": 0.9, "delta": 0.01}, "RAdam", {"betas": (0.9, 0.9), "eps": 0.01}),
    ("AdaMax", {}, "Adamax", {}),
    ("AdaMax", {"momentum2": 0.9, "delta": 0.01}, "Adamax", {"betas": (0.9, 0.9), "eps": 0.01}),
    ("Rprop", {"step": RATE}, "Rprop", {}),  # PyTorch's rate is the first step, and it has no weight decay
]


@pytest.fixture(autouse=True)
def _doubles() -> Iterator[None]:
    """PyTorch's own scalars, such as NAdam's product of momenta, are of the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def followed(step: Callable[[Array, Array, int], Array]) -> Array:
    """The weights after each of 20 steps down a valley that is steeper along some axes than along others."""
    steep, w, path = np.geomspace(0.1, 4, 21).reshape(7, 3), np.sin(np.arange(21.0)).reshape(7, 3), []
    for t in range(20):
        w = step(w, steep * (w - 0.3) + np.sin(5 * w) / 3, t)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize(("name", "fields", "other", "options"), TABLE)
def test_steps_are_those_of_torch(
    name: str,
    fields: dict[str, Any],
    other: str,
    options: dict[str, Any],
    record_property: Callable[[str, object], None],
) -> None:
    rule = SOLVERS.get(name)(**fields)
    rate, decay = (1.0, 0.0) if name == "Rprop" else (RATE, DECAY)
    kept = history(rule, np.zeros((7, 3)))
    weight = torch.nn.Parameter(torch.zeros(7, 3, dtype=torch.float64))
    optimizer = getattr(torch.optim, other)([weight], lr=RATE, **options, **({"weight_decay": decay} if decay else {}))

    def own(w: Array, diff: Array, t: int) -> Array:
        w, now = w.copy(), (np.array([rate]), np.ones(2), 1.0, 0.0, decay, np.array([t, 0]))
        driver.run(rule.update(Update(w, diff, kept, *now)), "float64")
        return w

    def of_torch(w: Array, diff: Array, t: int) -> Array:
        weight.data, weight.grad = torch.from_numpy(w.copy()), torch.from_numpy(diff)
        optimizer.step()
        return weight.detach().numpy().copy()  # type: ignore[no-any-return]

    found, expected = followed(own), followed(of_torch)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    record_property("error", error)
    assert error < 1e-12
