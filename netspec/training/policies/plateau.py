"""plateau: base_lr * factor ** (number of reductions); a reduction where a score has stopped getting better.

The tests so far are read in order. A test that is not better than the best one is a bad one; after more than `patience`
bad ones in a row the rate is reduced, `cooldown` tests are let pass, and bad ones are counted anew. Better means by
more than the threshold, a part of the size of the best value (`threshold_mode: rel`) or a difference (`abs`). It is the
rule of PyTorch's ReduceLROnPlateau, but without its `eps`, and without its mistake about scores below 0, of which an
equal one counts as better there. The rate follows from the recorded tests alone, so that a training that resumes has
the rate that it would have had.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies.base import Policy
from netspec.training.scorelog import Test, after


class Plateau(Policy):
    """The rate is reduced where a score of the tests has stopped getting better."""

    metric: Annotated[str, Aka("monitor")] = Field(description="Score of the tests, like validation/accuracy.")
    mode: Literal["min", "max"] = Field(description="Whether a lower or a higher score is better.")
    factor: Annotated[float, Aka("gamma")] = Field(0.1, gt=0, lt=1, description="Factor at each reduction.")
    patience: int = Field(10, ge=0, description="Tests in a row that may be no better.")
    threshold: Annotated[float, Aka("min_delta")] = Field(1e-4, ge=0, description="What counts as better.")
    threshold_mode: Literal["rel", "abs"] = Field(
        "rel", description="Whether the threshold is a part of the best score, or a difference."
    )
    cooldown: int = Field(0, ge=0, description="Tests after a reduction in which none is a bad one.")
    min_lr: Annotated[float, Aka("eta_min", "lowest", "lr_min")] = Field(0.0, ge=0, description="Lowest rate.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * factor ** (number of reductions), min_lr at least."""
        reductions = after(course.tests, _Count(), _counted, self).reductions
        return max(self.min_lr, course.base_lr * power(self.factor, bisect_right(reductions, iter)))

    def better(self, score: float, best: float) -> bool:
        """Whether a score is better than the best one so far."""
        gain = score - best if self.mode == "max" else best - score
        return gain > self.threshold * (abs(best) if self.threshold_mode == "rel" else 1)


class _Count(NamedTuple):
    """The best score, the bad tests in a row, the tests still to be let pass, and the iterations of all reductions."""

    best: float | None = None
    bad: int = 0
    cooling: int = 0
    reductions: tuple[int, ...] = ()


def _counted(count: _Count, test: Test, plateau: Plateau) -> _Count:
    """The count after one more test."""
    iteration, scores = test
    best, bad, cooling, reductions = count
    score = scores.get(plateau.metric)
    if score is None:
        return count
    bad += 1
    if best is None or plateau.better(score, best):
        best, bad = score, 0
    if cooling:
        cooling, bad = cooling - 1, 0
    if bad > plateau.patience:
        bad, cooling, reductions = 0, plateau.cooldown, (*reductions, iteration)
    return _Count(best, bad, cooling, reductions)
