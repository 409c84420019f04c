"""Base of Flatten, Reshape and Split: the tops are the bottom's memory under other shapes or names."""

from __future__ import annotations

from netspec.core.calls import Calls, Phase, Run
from netspec.layers.base import NOTHING, Abilities, Layer, Passing


class ViewLayer(Layer):
    """A layer that computes nothing."""

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    def aliases(self, phase: Phase) -> bool:
        """Always true."""
        return True

    def forward(self, run: Run) -> Calls:
        """No Calls."""
        return iter(())

    def backward(self, run: Run) -> Calls:
        """No Calls."""
        return iter(())
