"""RegressionScores: RMSE = sqrt(mean (x - t)^2), MAE = mean |x - t|, R2 = 1 - sum (x - t)^2 / sum (t - mean t)^2.

Source: Draper & Smith 1966; R2 of truth that is all alike as in scikit-learn's r2_score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.core.shape import Shapes
from netspec.layers._loss import same_count
from netspec.layers._score import Measure, Score
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Errors(Measure):
    """Statistics: the number of values, sum (x - t)^2, sum |x - t|, mean t, sum (t - mean t)^2."""

    def measure(self, scores: Array, labels: Array) -> Array:
        """The sums of scores x and truth t, equally many in the same order."""
        import numpy as np

        t = labels.reshape(-1).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # sums that are not finite say so
            difference = scores.reshape(-1) - t
            mean = t.mean()
            return np.array(
                [len(t), (difference**2).sum(), abs(difference).sum(), mean, ((t - mean) ** 2).sum()], np.float64
            )

    def most(self, positions: int) -> int:
        """Five."""
        return 5

    def combine(self, total: Array, batch: Array) -> Array:
        """Sums are added; that around the mean grows by the distance of both means (Chan, Golub & LeVeque 1979)."""
        import numpy as np

        number = total[0] + batch[0]
        apart = batch[3] - total[3]
        mean = total[3] + apart * batch[0] / number
        around = total[4] + batch[4] + apart**2 * total[0] * batch[0] / number
        return np.array([*(total[:3] + batch[:3]), mean, around])

    def finish(self, total: Array) -> tuple[Array, ...]:
        """RMSE, MAE and R2, which is 1 or 0 where the truth is all alike, as it is met or not."""
        import numpy as np

        number, squares, distances, _, around = total
        fit = 1 - squares / around if around else float(not squares)
        return np.sqrt(squares / number), np.asarray(distances / number), np.asarray(fit)


class RegressionScores(Score):
    """Measure how far numbers are from the truth. It has no gradient.

    Bottom: x (N, ...), the truth t, as many values. Top: RMSE, the root of the mean squared error; on request, MAE, the
    mean absolute error; and R2, the part of the truth's variance that x explains. Scalars over all values alike. R2 is
    1 at best, 0 for the mean of the truth, and below 0 for what is worse.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, truth], shape: [[4, 3], [4, 3]]}
- {name: errors, type: RegressionScores, bottom: [data, truth], top: [rmse, mae, r2]}
"""

    tops: ClassVar[Arity] = Arity(1, 3)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Scalars."""
        same_count(bottoms)
        return ((),) * len(self.top_names())

    def measure(self, bottoms: Shapes) -> Errors:
        """The errors over all batches."""
        return Errors()
