"""ReLU: y = x where x > 0, else negative_slope * x.

Source: Nair & Hinton 2010; negative_slope follows Maas et al. 2013 (Leaky ReLU); Caffe relu_layer.cpp.
"""

from __future__ import annotations

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, BOTTOM, TOP, Abilities, Layer


class ReLU(Layer):
    """Rectify a blob elementwise.

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    negative_slope: float = Field(0.0, description="Slope for x <= 0; 0 is plain ReLU.")

    @property
    def abilities(self) -> Abilities:
        """In place where the top tells the sign of the bottom, which is all that backward wants: unless the slope is negative."""
        tells = self.negative_slope >= 0
        return Abilities(layouts=ANY_LAYOUT, reads=TOP if tells else BOTTOM, in_place=tells)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import activation

        yield Call(activation.relu_forward, run.bottom[0], run.top[0], self.negative_slope)

    def backward(self, run: Run) -> Calls:
        """One pass over the top (or the bottom) and the top's diff."""
        from netspec.kernels import activation

        if run.bottom_diff[0] is not None:
            seen = run.top[0] if self.abilities.in_place else run.bottom[0]
            yield Call(activation.relu_backward, seen, run.top_diff[0], run.bottom_diff[0], self.negative_slope)
