"""Sigmoid: y = 1 / (1 + e^-x).

Source: Caffe sigmoid_layer.cpp.
"""

from __future__ import annotations

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, TOP, Abilities, Layer


class Sigmoid(Layer):
    """Squash a blob elementwise into (0, 1).

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    @property
    def abilities(self) -> Abilities:
        """In place: backward reads the top alone."""
        return Abilities(reads=TOP, layouts=ANY_LAYOUT, in_place=True)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import activation

        yield Call(activation.sigmoid_forward, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """One pass over the top and its diff: the slope is y * (1 - y)."""
        from netspec.kernels import activation

        if run.bottom_diff[0] is not None:
            yield Call(activation.sigmoid_backward, run.top[0], run.top_diff[0], run.bottom_diff[0])
