"""ELU: y = x where x > 0, else alpha * (e^x - 1). Source: Clevert, Unterthiner & Hochreiter 2015; Caffe elu_layer.cpp."""

from __future__ import annotations

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, BOTTOM, Abilities, Layer


class ELU(Layer):
    """Let positive values pass and bend negative ones towards -alpha.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    alpha: float = Field(1.0, description="Where very negative values end, with the other sign.")

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom."""
        return Abilities(reads=BOTTOM, layouts=ANY_LAYOUT)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import activation

        yield Call(activation.elu_forward, run.bottom[0], run.top[0], self.alpha)

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff."""
        from netspec.kernels import activation

        if run.bottom_diff[0] is not None:
            yield Call(activation.elu_backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.alpha)
