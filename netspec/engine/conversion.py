"""Conversion: a blob in another memory layout.

The `layout` rewrite inserts it where a layer wants another layout than its bottom has.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.shape import Shapes, count
from netspec.layers.base import NOTHING, Abilities, Layer


class Conversion(Layer):
    """Turn channels last, or first: the engine's own layer, which no net can name.

    Bottom: x (N, C, H, W). Top: the same values in the other layout. With one channel or one pixel both layouts are the
    same memory.
    """

    to: Literal["NCHW", "NHWC"] = Field(description="Layout of the top.")
    same: bool = Field(False, description="Whether there is one channel, or one pixel.")

    @property
    def alone(self) -> bool:
        """Always."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape: shapes say N, C, H, W in every layout."""
        return bottoms

    def aliases(self, phase: Phase) -> bool:
        """Whether both layouts are the same bytes."""
        return self.same

    def forward(self, run: Run) -> Calls:
        """One pass."""
        yield self._turn(run, run.bottom[0], run.top[0], self.to == "NHWC")

    def backward(self, run: Run) -> Calls:
        """The way back, for the diff."""
        if run.bottom_diff[0] is not None:
            yield self._turn(run, run.top_diff[0], run.bottom_diff[0], self.to == "NCHW")

    @staticmethod
    def _turn(run: Run, x: Any, y: Any, last: bool) -> Call:
        from netspec.kernels import copy

        n, c, *plane = run.bottom_shapes[0]
        return Call(copy.to_channels_last if last else copy.to_channels_first, x, y, n, c, count(tuple(plane)))
