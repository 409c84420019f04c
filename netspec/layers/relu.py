"""ReLU: y = x where x > 0, else negative_slope * x.

Source: Nair & Hinton 2010; negative_slope follows Maas et al. 2013 (Leaky ReLU); Caffe relu_layer.cpp.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.layers.base import Call, Calls, Layer, Run, Shapes


class ReLU(Layer):
    """Rectify a blob elementwise.

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    layouts: ClassVar[tuple[str, ...]] = ("NHWC", "NCHW")

    negative_slope: float = Field(0.0, description="Slope for x <= 0; 0 is plain ReLU.")

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        """Where the top tells the sign of the bottom."""
        return self.negative_slope >= 0

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        """The top, which is positive where the bottom is, unless the slope is negative."""
        return frozenset({"top" if self.in_place else "bottom"})

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
            seen = run.top[0] if self.in_place else run.bottom[0]
            yield Call(activation.relu_backward, seen, run.top_diff[0], run.bottom_diff[0], self.negative_slope)
