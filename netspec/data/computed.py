"""What is computed over training data, such as means and components: computed once, kept by a name.

A run and its snapshots hold these arrays, so that tests and predictions never see training files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Arrays = Mapping[str, "Array"]


class Computed:
    """Arrays by the name of what they are: those that are known, and those that are computed on the way.

    A name is a digest of all that the arrays depend on, as it is written: the training data and the transforms.
    """

    def __init__(self, known: Mapping[str, Arrays] | None = None) -> None:
        self.known = dict(known or {})
        self.used: dict[str, Arrays] = {}
        """What the feeds of a job asked for: this is what a run and a snapshot keep."""

    def of(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a name; they are computed where they are not known."""
        if name not in self.known:
            self.known[name] = compute()
        self.used[name] = self.known[name]
        return self.used[name]
