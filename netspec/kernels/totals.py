"""Sums over a few rows in the net's float type, on their way into float64."""

from __future__ import annotations

from netspec.codegen.rows import Real, Row, Variable


class Totals:
    """Two sums of vectors over some rows, in the net's float type; `leave` adds them to rows of float64."""

    def __init__(self, x: Row) -> None:
        self.first, self.second = Variable(x.fill(0)), Variable(x.fill(0))

    def add(self, first: Real, second: Real) -> None:
        """Add a row's vectors."""
        self.first.set(self.first.get() + first)
        self.second.set(self.second.get() + second)

    def leave(self, first: Row, second: Row) -> None:
        """Add the sums."""
        first.put(first.get() + self.first.get().double())
        second.put(second.get() + self.second.get().double())
