"""Task: what a loss asks of a net, and how a prediction follows from the scores that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["classes", "labels", "numbers"]
"""One class of several; any number of labels, each true or not; numbers."""

Makes = Literal["softmax", "sigmoid", "exp", "itself", "scores"]
"""What makes a prediction of a score: a function; nothing, it is a prediction; or scores are only greater and less."""


@dataclass(frozen=True)
class Task:
    """The task of a layer whose bottom 0 are scores, and bottom 1 the truth.

    `makes` is what makes predictions of them, where the layer has no inner activation. `axis` is that of the classes,
    labels or numbers in the scores; None: all axes but the first. The truth of classes is a label for each position;
    `soft` is a probability of each class instead. Truth that, cut to a whole number, is `ignore` counts for nothing.
    """

    kind: Kind
    makes: Makes = "itself"
    axis: int | None = 1
    soft: bool = False
    ignore: int | None = None
