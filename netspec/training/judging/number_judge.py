"""The judge of numbers, which are compared in the target's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.task import Task
from netspec.layers.regression_scores import Errors
from netspec.training.judging.judge import LISTED, Judge, Total
from netspec.training.judging.worst import Verdict, Worst

if TYPE_CHECKING:
    from netspec.core.calls import Array

MOST_OUTPUTS = 1000
"""Outputs of a regression that have scores of their own."""
POINTED = 6
"""Outputs of which points are kept."""
MOST_POINTS = 500
"""Points of an output, at most."""


class Points:
    """Targets and predictions of samples that lie evenly over a test, whatever its batches are.

    Of each of the first outputs, at the first position of a sample.
    """

    def __init__(self) -> None:
        self._every = 1
        self._kept: list[tuple[list[float], list[float]]] = []

    def add(self, first: int, predicted: Array, truth: Array) -> None:
        """Look at samples from position `first` on; both (N, P, C)."""
        for n in range(-first % self._every, len(truth), self._every):
            self._kept.append((truth[n, 0, :POINTED].tolist(), predicted[n, 0, :POINTED].tolist()))
        while len(self._kept) > MOST_POINTS:
            del self._kept[1::2]
            self._every *= 2

    def finish(self) -> list[list[list[float]]]:
        """Of each output pairs of target and prediction."""
        outputs = len(self._kept[0][0]) if self._kept else 0
        return [[[truth[j], predicted[j]] for truth, predicted in self._kept] for j in range(outputs)]


class NumberJudge(Judge):
    """Numbers, which are compared in the target's own units."""

    def __init__(self, task: Task, size: int, names: tuple[str, ...] | None, worst: Worst) -> None:
        super().__init__(task, size, names, worst)
        self.all = Total(Errors())
        self.each = [Total(Errors()) for _ in range(size)] if 1 < size <= MOST_OUTPUTS else []
        self.points = Points()

    def block(self, first: int, x: Array, t: Array, *own: Array) -> None:
        """Predictions and truth (N, P, C), as the net has them, and in the target's own units."""
        import numpy as np

        predicted, truth = own or (x, t)
        self.all.add(predicted, truth)
        for j, total in enumerate(self.each):
            total.add(predicted[:, :, j], truth[:, :, j])
        self.points.add(first, predicted, truth)
        apart = (x.astype(np.float64) - t).reshape(len(x), -1)
        losses: Array = (apart * apart).mean(axis=1)
        self.worst.offer(losses, first, lambda n: _numbers(predicted[n], truth[n]))

    def finish(self) -> dict[str, Any]:
        """RMSE, MAE, R2, of all values and of each output; R2 of several outputs is the mean of theirs."""
        rmse, mae, r2 = map(float, self.all.finish())
        rows = [dict(zip(("rmse", "mae", "r2"), map(float, total.finish()), strict=True)) for total in self.each]
        assert self.all.total is not None
        return {
            "task": "numbers",
            "classes": list(self.names) if self.names else None,
            "size": self.size,
            "values": int(self.all.total[0]),
            "rmse": rmse,
            "mae": mae,
            "r2": sum(row["r2"] for row in rows) / len(rows) if rows else r2,
            "by_output": rows or [{"rmse": rmse, "mae": mae, "r2": r2}],
            "points": self.points.finish(),
        }


def _numbers(predicted: Array, truth: Array) -> Verdict:
    return {
        "target": [float(value) for value in truth.reshape(-1)[:LISTED]],
        "prediction": [float(value) for value in predicted.reshape(-1)[:LISTED]],
    }
