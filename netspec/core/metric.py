"""Metric: how a score comes about over several batches: each leaves statistics, which are combined and finished once.

The mean of the scores of batches depends on how the samples are cut into batches, as soon as positions are ignored, a
class does not occur in a batch, or a sum is divided by anything but the batch size. Statistics do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Metric(ABC):
    """The scores of a layer over several batches.

    Scores are the tops without a batch axis. `finish` of the statistics of a single batch gives their values in that
    batch. Statistics that are not finite say that the batch has no score.
    """

    space: str
    """The workspace (`Workspace.score`) that forward leaves them in."""

    def statistics(self, space: Array) -> Array:
        """The statistics of a batch, of float64: a new array made from the workspace; here the workspace itself."""
        return space.copy()

    def combine(self, total: Array, batch: Array) -> Array:
        """The statistics of all batches so far and of one more; here their sum. A list of scores would be joined."""
        return total + batch

    @abstractmethod
    def finish(self, total: Array) -> tuple[Array, ...]:
        """The value of each score, in the order of the tops."""
