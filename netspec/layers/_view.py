"""Views: what Flatten, Reshape and Split share. Their tops are the bottom's memory under other shapes or names, so that nothing runs."""

from __future__ import annotations

from netspec.core.calls import Calls, Phase, Run
from netspec.layers.base import NOTHING, Abilities, Layer


class View(Layer):
    """A layer that computes nothing."""

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING)

    def aliases(self, phase: Phase) -> bool:
        """Always."""
        return True

    def forward(self, run: Run) -> Calls:
        """Nothing."""
        return iter(())

    def backward(self, run: Run) -> Calls:
        """Nothing."""
        return iter(())
