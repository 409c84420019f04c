"""InnerProduct: every output is a weighted sum of all inputs, plus a constant.

y = x w^T + b for x (N, K), w (M, K), b (M,); with `transpose`, y = x w + b for w (K, M). Source: Caffe inner_product_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from netspec.layers.base import AnyFiller, Call, Calls, Constant, Layer, Param, Run, Shape, Shapes, Workspace
from netspec.shape import ReceptiveField, axis_of, count, text, widest


class InnerProduct(Layer):
    """Multiply with a learned matrix.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: weight (M, K), or (K, M) with `transpose`; bias (M,).
    Not in place.
    """

    backward_reads: ClassVar[frozenset[str]] = frozenset({"bottom"})

    num_output: int = Field(gt=0, description="Number of outputs, M.")
    bias_term: bool = Field(True, description="Whether each output adds a learned constant.")
    axis: int = Field(1, description="First of the axes that are summed over; negative counts from the end.")
    transpose: bool = Field(False, description="Keep the weight as (K, M) instead of (M, K).")
    weight_filler: AnyFiller = Field(Constant(value=0.0), description="Initial weights.")
    bias_filler: AnyFiller = Field(Constant(value=0.0), description="Initial biases.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N..., M)."""
        return ((*bottoms[0][: axis_of(self.axis, bottoms[0])], self.num_output),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """50x4x4 = 800 -> 500, where several axes are summed over."""
        summed = bottoms[0][axis_of(self.axis, bottoms[0]) :]
        return f"{text(summed)} = {count(summed)} -> {self.num_output}" if len(summed) > 1 else ""

    def params(self) -> tuple[Param, ...]:
        """Weight, and bias unless `bias_term: false`."""
        weight = Param("weight", self.weight_filler)
        return (weight, Param("bias", self.bias_filler)) if self.bias_term else (weight,)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(M, K), or (K, M) with `transpose`; (M,)."""
        _, k = self._sizes(bottoms[0])
        weight = (k, self.num_output) if self.transpose else (self.num_output, k)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(800+1)*500 = 400500."""
        _, k = self._sizes(bottoms[0])
        total = (k + self.bias_term) * self.num_output
        return f"({k}+1)*{self.num_output} = {total}" if self.bias_term else f"{k}*{self.num_output} = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """N K M."""
        n, k = self._sizes(bottoms[0])
        return n * k * self.num_output

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole of the axes that are summed over."""
        axis = axis_of(self.axis, bottoms[0])
        height, width = (axis <= 2, axis <= 3) if len(bottoms[0]) == 4 else (axis <= 1, axis <= 1)
        return widest(fields).whole(height, width)

    def _sizes(self, x: Shape) -> tuple[int, int]:
        """(N, K): the axes before `axis` and from it on."""
        axis = axis_of(self.axis, x)
        return count(x[:axis]), count(x[axis:])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Where a product runs along the batch: its right side and its result, both transposed."""
        n, k = self._sizes(bottoms[0])
        m = self.num_output
        if not self.transpose:
            return {"turned": Workspace((k, n)), "product": Workspace((m, n))}
        return {"turned": Workspace((m, n)), "product": Workspace((k, n))} if backward else {}

    def forward(self, run: Run) -> Calls:
        """y = x w^T + b."""
        n, k = self._sizes(run.bottom[0].shape)
        x, y = run.bottom[0].reshape(n, k), run.top[0].reshape(n, self.num_output)
        bias = run.param[1] if self.bias_term else _none(run)
        yield from _product(run, x, bias, y) if self.transpose else _product_transposed(run, x, bias, y)

    def backward(self, run: Run) -> Calls:
        """dw += dy^T x, db += the columns of dy, dx = dy w."""
        from netspec.kernels import inner_product

        n, k = self._sizes(run.bottom[0].shape)
        x, dy = run.bottom[0].reshape(n, k), run.top_diff[0].reshape(n, self.num_output)
        dw, dx = run.param_diff[0], run.bottom_diff[0]
        if dw is not None:
            left, right = (x, dy) if self.transpose else (dy, x)
            yield Call(inner_product.weight_gradient, left, right, dw, parts=_cut(dw.shape[0], 16))
        if self.bias_term and run.param_diff[1] is not None:
            yield Call(inner_product.bias_gradient, dy, run.param_diff[1], parts=_cut(self.num_output, 128))
        if dx is not None:
            dx = dx.reshape(n, k)
            yield from _product_transposed(run, dy, _none(run), dx) if self.transpose else _product(run, dy, _none(run), dx)


def _product(run: Run, x: Any, bias: Any, y: Any) -> Calls:
    """y = x w + b."""
    from netspec.kernels import inner_product

    yield Call(inner_product.multiply, x, run.param[0], bias, y, parts=_cut(y.shape[1], 128))


def _product_transposed(run: Run, x: Any, bias: Any, y: Any) -> Calls:
    """y = x w^T + b: the small x is turned, not the large w."""
    from netspec.kernels import copy, inner_product

    turned, product = run.workspace["turned"], run.workspace["product"]
    yield Call(copy.transpose, x, turned)
    yield Call(inner_product.multiply_transposed, run.param[0], turned, bias, product, y, parts=_cut(y.shape[1], 16))


def _none(run: Run) -> Any:
    """An empty bias."""
    return run.param[0].reshape(-1)[:0]


def _cut(size: int, least: int) -> int:
    """Parts of at least `least` rows or columns each, 64 at most."""
    return max(1, min(64, size // least))
