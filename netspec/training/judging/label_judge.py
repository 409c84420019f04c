"""The judge of labels: any number of them at each position, each true or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.task import Task
from netspec.layers.confusion_matrix import Matrix
from netspec.layers.precision_recall_f1 import PrecisionRecall
from netspec.training.judging.judge import EXACT, FLOOR, LISTED, QUOTIENTS, AreaTotal, Judge, Total, means
from netspec.training.judging.worst import Verdict, Worst

if TYPE_CHECKING:
    from netspec.core.calls import Array

_IGNORED = -1


class LabelJudge(Judge):
    """Any number of labels at each position, each true from a target of 1/2 on, predicted from a probability of 1/2."""

    def __init__(self, task: Task, size: int, names: tuple[str, ...] | None, worst: Worst, number: int) -> None:
        super().__init__(task, size, names, worst)
        self.matrices = [Total(Matrix(2, _IGNORED)) for _ in range(size)]
        kept = task.makes == "sigmoid" or number <= EXACT
        self.areas = [AreaTotal(1, _IGNORED, number) if kept else None for _ in range(size)]
        self.positions = self.right = 0

    def block(self, first: int, x: Array, t: Array, *own: Array) -> None:
        """Scores and targets (N, P, C)."""
        import numpy as np

        counting = np.ones(t.shape, bool) if self.task.ignore is None else np.trunc(t) != self.task.ignore
        truth = np.where(counting, t >= 0.5, _IGNORED).reshape(-1, self.size)
        made, chances, losses = self._made(x.astype(np.float64), t.astype(np.float64))
        rows, ranked = made.reshape(-1, self.size), chances.reshape(-1, self.size)
        for j, (matrix, area) in enumerate(zip(self.matrices, self.areas, strict=True)):
            matrix.add(np.column_stack([-rows[:, j], rows[:, j]]), truth[:, j])
            if area is not None:
                area.add(ranked[:, j : j + 1], truth[:, j])
        wrong = counting & ((made > 0) != (t >= 0.5))
        self.positions += counting.any(axis=2).sum()
        self.right += (counting.any(axis=2) & ~wrong.any(axis=2)).sum()
        flat = (len(x), -1)
        lost = means(losses.reshape(flat), counting.reshape(flat))
        self.worst.offer(lost, first, lambda n: self._verdict(counting[n], t[n] >= 0.5, wrong[n], chances[n]))

    def _made(self, x: Array, t: Array) -> tuple[Array, Array, Array]:
        """Of each label: a number that is above 0 where it is predicted, its probability or score, its loss."""
        import numpy as np

        if self.task.makes == "sigmoid":
            small = np.exp(-abs(x))
            return x, np.where(x >= 0, 1.0, small) / (1 + small), np.maximum(x, 0) - x * t + np.log1p(small)
        if self.task.makes == "scores":
            return x, x, np.maximum(0, 1 - (2 * (t >= 0.5) - 1) * x)
        return x - 0.5, x, -(t * np.log(x.clip(FLOOR)) + (1 - t) * np.log((1 - x).clip(FLOOR)))

    def _verdict(self, counting: Array, truth: Array, wrong: Array, chances: Array) -> Verdict:
        if len(truth) > 1:
            return {"positions": int(counting.any(axis=1).sum()), "wrong": int(wrong.any(axis=1).sum())}
        predicted = truth[0] != wrong[0]
        found: Verdict = {
            "labels": (truth[0] & counting[0]).nonzero()[0].tolist()[:LISTED],
            "predictions": predicted.nonzero()[0].tolist()[:LISTED],
        }
        if self.task.makes != "scores":
            found["probabilities"] = [float(chances[0, j]) for j in found["predictions"]]
        return found

    def finish(self) -> dict[str, Any]:
        """Shares that are right, averages, each label."""
        import numpy as np

        totals = np.array([matrix.total for matrix in self.matrices], np.float64)  # (L, 4): 00, 01, 10, 11
        none = PrecisionRecall(2, None, "NONE")
        rows: list[dict[str, Any]] = []
        for total, area in zip(totals, self.areas, strict=True):
            *quotients, support = (float(each[1]) for each in none.finish(total))
            known = area is not None and 0 < support < total.sum()
            value = float(area.finish()[0]) if area is not None and known else None
            row = dict(zip(QUOTIENTS, quotients, strict=True))
            rows.append({**row, "support": int(support), "roc_auc": value})
        areas = [row["roc_auc"] for row in rows if row["roc_auc"] is not None]
        micro = [float(each[1]) for each in none.finish(totals.sum(axis=0))][:3]
        found: dict[str, Any] = {
            "task": "labels",
            "classes": list(self.names) if self.names else None,
            "size": self.size,
            "positions": int(self.positions),
            "accuracy": float(totals[:, [0, 3]].sum() / max(1.0, totals.sum())),
            "exact": float(self.right / max(1, self.positions)),
            "macro": {word: sum(row[word] for row in rows) / len(rows) for word in QUOTIENTS},
            "micro": dict(zip(QUOTIENTS, micro, strict=True)),
        }
        if areas:
            exact = all(area.bins is None for area in self.areas if area is not None)
            found |= {"roc_auc": sum(areas) / len(areas), "roc_auc_exact": exact}
        return found | {"by_class": rows}
