"""Views: what Flatten, Reshape and Split share. Their tops are the bottom's memory under other shapes or names, so that nothing runs."""

from __future__ import annotations

from typing import ClassVar

from netspec.layers.base import Calls, Layer, Phase, Run


class View(Layer):
    """A layer that computes nothing."""

    backward_reads: ClassVar[frozenset[str]] = frozenset()

    def aliases(self, phase: Phase) -> bool:
        """Always."""
        return True

    def forward(self, run: Run) -> Calls:
        """Nothing."""
        return iter(())

    def backward(self, run: Run) -> Calls:
        """Nothing."""
        return iter(())
