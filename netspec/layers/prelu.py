"""PReLU: y = x where x > 0, else a * x, with a learned for each channel. Source: He et al. 2015; Caffe prelu_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.layers._broadcast import check_filler
from netspec.layers.base import AnyFiller, Call, Calls, Constant, Layer, Param, Run, Shape, ShapeError, Shapes
from netspec.shape import count


class PReLU(Layer):
    """Rectify a blob with a learned slope below 0.

    Bottom: x (N, C, ...). Top: y, the shape of x; may be computed in place. Param: weight (C,), or a single number with `channel_shared`.
    """

    backward_reads: ClassVar[frozenset[str]] = frozenset({"bottom"})

    filler: AnyFiller = Field(Constant(value=0.25), description="Initial slopes.")
    channel_shared: bool = Field(False, description="One slope for all channels.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        if len(bottoms[0]) < 2:
            raise ShapeError("{bottom[0]} has no axis of channels", field="bottom.0")
        check_filler(self.filler, self.param_shapes(bottoms)[0])
        return bottoms

    def params(self) -> tuple[Param, ...]:
        """The slopes."""
        return (Param("weight", self.filler),)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,), or a scalar."""
        return ((),) if self.channel_shared else ((bottoms[0][1],),)

    def _around(self, shape: Shape) -> Shape:
        """(N, C, inner), with C the number of slopes."""
        return (shape[0], 1, count(shape[1:])) if self.channel_shared else (shape[0], shape[1], count(shape[2:]))

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import activation

        shape = self._around(run.bottom[0].shape)
        yield Call(activation.prelu_forward, run.bottom[0].reshape(shape), run.param[0], run.top[0].reshape(shape))

    def backward(self, run: Run) -> Calls:
        """One pass for dx, and one for the slopes' diffs."""
        from netspec.kernels import activation

        shape = self._around(run.bottom[0].shape)
        x, dy = run.bottom[0].reshape(shape), run.top_diff[0].reshape(shape)
        if run.bottom_diff[0] is not None:
            yield Call(activation.prelu_backward, x, run.param[0], dy, run.bottom_diff[0].reshape(shape))
        if run.param_diff[0] is not None:
            yield Call(activation.prelu_slopes, x, dy, run.param_diff[0])
