"""Bent: y = a * x where x > 0, else x / a."""

from __future__ import annotations

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import BOTTOM, Abilities, Layer


class Bent(Layer):
    """Two slopes that meet at zero.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    slope: float = Field(2.0, gt=0, description="Slope for x > 0; that for x <= 0 is its inverse.")

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom."""
        return Abilities(reads=BOTTOM)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec_bent import loops

        yield Call(loops.forward, run.bottom[0], run.top[0], self.slope)

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff."""
        from netspec_bent import loops

        if run.bottom_diff[0] is not None:
            yield Call(loops.backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.slope)
