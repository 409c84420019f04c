"""The judge of classes: one of several at each position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.task import Task
from netspec.layers.calibration import Reliability
from netspec.layers.confusion_matrix import Matrix
from netspec.layers.precision_recall_f1 import Average, PrecisionRecall
from netspec.layers.top_k import Ranks
from netspec.training.judging.judge import EXACT, FLOOR, QUOTIENTS, AreaTotal, Judge, Total, means
from netspec.training.judging.worst import Verdict, Worst

if TYPE_CHECKING:
    from netspec.core.calls import Array

MOST_CLASSES = 2048
"""Classes of which a confusion matrix is made, and precision and recall, which follow from it."""
MATRIX_SHOWN = 200
"""Classes of which the whole matrix is among the values; of more only the most confused pairs."""
PAIRS = 50
"""Pairs of classes that are confused most, among the values."""


class ClassJudge(Judge):
    """One class of several at each position; positions with an ignored label count for nothing."""

    def __init__(self, task: Task, size: int, names: tuple[str, ...] | None, worst: Worst, number: int) -> None:
        super().__init__(task, size, names, worst)
        ignore = task.ignore
        self.ranks = Total(Ranks(size, ignore, (1, 5) if size > 10 else (1,)))
        self.matrix = Total(Matrix(size, ignore)) if size <= MOST_CLASSES else None
        self.area = AreaTotal(size, ignore, number) if task.makes != "scores" or number <= EXACT else None
        self.bins = Total(Reliability(size, ignore)) if task.makes != "scores" else None

    def block(self, first: int, x: Array, t: Array, *own: Array) -> None:
        """Scores (N, P, C), labels (N, P), or soft labels (N, P, C), whose class is the likeliest."""
        import numpy as np

        label = t.argmax(axis=2) if self.task.soft else t
        rows, flat = x.reshape(-1, self.size), label.reshape(-1)
        counting = np.ones(label.shape, bool) if self.task.ignore is None else label != self.task.ignore
        classes = np.where(counting, label, 0).astype(np.int64)
        logs, chances = self._chances(x)
        if self.bins is not None and (chances.min() < -1e-6 or chances.max() > 1 + 1e-6):
            self.bins = None  # the net calls them probabilities, but they are none
            self.area = None if self.area is None or self.area.bins else self.area
        self.ranks.add(rows, flat)
        if self.matrix is not None:
            self.matrix.add(rows, flat)
        if self.area is not None:
            self.area.add(chances.reshape(rows.shape), flat)
        if self.bins is not None:
            self.bins.add(chances.reshape(rows.shape), flat)
        losses = -(t * logs).sum(axis=2) if self.task.soft else self._losses(logs, classes)
        best = x.argmax(axis=2)
        self.worst.offer(means(losses, counting), first, lambda n: self._verdict(n, counting, classes, best, chances))

    def _chances(self, x: Array) -> tuple[Array, Array]:
        """The logarithms of the probabilities and the probabilities; twice the scores where they give none."""
        import numpy as np

        x = x.astype(np.float64)
        if self.task.makes == "scores":
            return x, x
        if self.task.makes == "itself":
            return np.log(x.clip(FLOOR)), x
        shifted = x - x.max(axis=2, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))
        return logs, np.exp(logs)

    def _losses(self, logs: Array, classes: Array) -> Array:
        """-ln p of the true class; where there is no p, by how much the best wrong score is above the true one."""
        import numpy as np

        own = np.take_along_axis(logs, classes[..., None], axis=2)[..., 0]
        if self.task.makes != "scores":
            return -own
        others = logs.copy()
        np.put_along_axis(others, classes[..., None], -np.inf, axis=2)
        result: Array = others.max(axis=2) - own
        return result

    def _verdict(self, n: int, counting: Array, classes: Array, best: Array, chances: Array) -> Verdict:
        if counting.shape[1] > 1:
            wrong = int((counting[n] & (best[n] != classes[n])).sum())
            return {"positions": int(counting[n].sum()), "wrong": wrong}
        label, prediction = int(classes[n, 0]), int(best[n, 0])
        found: Verdict = {"label": label if counting[n, 0] else None, "prediction": prediction}
        if self.bins is not None:
            found |= {
                "probability": float(chances[n, 0, prediction]),
                "label_probability": float(chances[n, 0, label]) if counting[n, 0] else None,
            }
        return found

    def finish(self) -> dict[str, Any]:
        """Accuracy, averages, each class, the matrix, calibration."""
        import numpy as np

        found: dict[str, Any] = {"task": "classes", "classes": list(self.names) if self.names else None}
        shares = self.ranks.finish()
        assert self.ranks.total is not None
        found |= {"size": self.size, "positions": int(self.ranks.total[-1]), "accuracy": float(shares[0])}
        if len(shares) > 1:
            found["top5"] = float(shares[1])
        area = [None] * self.size
        if self.area is not None:
            mean, each = self.area.finish()
            found["roc_auc"] = float(mean)
            found["roc_auc_exact"] = self.area.bins is None
            area = each.tolist()
        if self.bins is not None:
            error, accuracy, confidence, number = self.bins.finish()
            found["ece"] = float(error)
            found["calibration"] = {
                "accuracy": accuracy.tolist(), "confidence": confidence.tolist(), "positions": _whole(number)
            }  # fmt: skip
        if self.matrix is None:
            return found
        total = self.matrix.total
        assert total is not None
        averages: tuple[Average, Average] = ("MACRO", "WEIGHTED")
        for average in averages:
            values = PrecisionRecall(self.size, self.task.ignore, average).finish(total)[:3]
            found[average.lower()] = dict(zip(QUOTIENTS, map(float, values), strict=True))
        each_class = PrecisionRecall(self.size, self.task.ignore, "NONE").finish(total)
        *quotients, support = (values.tolist() for values in each_class)
        rows = zip(*quotients, _whole(np.asarray(support)), area, strict=True)
        found["by_class"] = [dict(zip((*QUOTIENTS, "support", "roc_auc"), row, strict=True)) for row in rows]
        for row in found["by_class"]:  # a class of no position, or of all, has no area
            if row["support"] in {0, found["positions"]}:
                row["roc_auc"] = None
        return found | confused(total.reshape(self.size, self.size))


def _whole(values: Array) -> list[int]:
    return [int(value) for value in values.tolist()]


def confused(matrix: Array) -> dict[str, Any]:
    """The matrix (C, C) where it is small; and its most confused pairs, each (true class, predicted class, number)."""
    import numpy as np

    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong.reshape(-1), kind="stable")[:PAIRS]
    pairs = [(*map(int, divmod(place, len(matrix))), int(wrong.reshape(-1)[place])) for place in order.tolist()]
    shown = len(matrix) <= MATRIX_SHOWN
    return {
        "confusion": [_whole(row) for row in matrix] if shown else None,
        "confused": [list(pair) for pair in pairs if pair[2]],
    }
