"""Sessions of solvers given as plain values: opened, trained some steps, their weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.training.job import load_solver
from netspec.training.session import Session

Values = dict[str, Any]


def session(values: Values, *overrides: str) -> Session:
    return Session(load_solver(values, overrides))


def trained(values: Values, steps: int) -> Session:
    one = session(values)
    for _ in range(steps):
        one.step()
    one.close()
    return one


def weights(one: Session) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in zip(one.train.weights.names, one.train.weights.data, strict=True)}
