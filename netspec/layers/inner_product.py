"""InnerProduct: every output is a weighted sum of all inputs, plus a constant.

y = x w^T + b for x (N, K), w (M, K), b (M,); with `transpose`, y = x w + b for w (K, M). Source: Caffe
inner_product_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from netspec.codegen.geometry import ADD, RECTIFY
from netspec.core.calls import Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, Shapes, axis_of, count, text
from netspec.core.worked import LayerArrays, Term, Worked, dot
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers.base import BOTTOM, BY_CHANNEL, NOTHING, Abilities, BatchAxes, Layer, Param, Passing, Purpose
from netspec.lowering import products
from netspec.lowering.beside import squares_of


class InnerProduct(Layer):
    """Multiply with a learned matrix.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: weight (M, K), or (K, M) with
    `transpose`; bias (M,). Not in place.
    """

    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[4, 3, 5]]}
- {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
"""

    num_output: Annotated[
        int, Aka("channels", "features", "filters", "out_channels", "out_features", "units", "width")
    ] = Field(gt=0, description="Number of outputs, M.")
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether each output adds a learned constant."
    )
    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="First of the axes that are summed over; negative counts from the end."
    )
    transpose: bool = Field(False, description="Keep the weight as (K, M) instead of (M, K).")
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial weights."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial biases."
    )

    @property
    def alone(self) -> bool:
        """Unless the items are among what is multiplied."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """A ReLU along, factors of channels that are rows of the weight; backward reads the bottom, adds, stores."""
        folds = BY_CHANNEL if self.axis == 1 and not self.transpose else NOTHING
        return Abilities(reads=BOTTOM, along=frozenset({"ReLU"}), folds=folds, adds=True, stores=True)

    @property
    def passing(self) -> Passing:
        """The weight mixes all that is summed over; the bias is added."""
        channels: Literal["mixed"] | None = "mixed" if self.axis == 1 else None
        return Passing("all", factor=0, added=frozenset({1}), channels=channels)

    def squares(self, bottoms: Shapes) -> frozenset[int]:
        """The weight."""
        return frozenset({0})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N..., M)."""
        return ((*bottoms[0][: axis_of(self.axis, bottoms[0])], self.num_output),)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The bottom's batch axis, unless the batch is summed over."""
        axis = axes[0]
        return (axis if axis is not None and axis < axis_of(self.axis, bottoms[0]) else None,)

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
        return union(bottoms, fields).whole(height, width)

    def _sizes(self, x: Shape) -> tuple[int, int]:
        """(N, K): the axes before `axis` and from it on."""
        axis = axis_of(self.axis, x)
        return count(x[:axis]), count(x[axis:])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The workspaces of `turning` for the transposed weight; the bias' gradient in float64."""
        n, k = self._sizes(bottoms[0])
        m = self.num_output
        spaces = {"sums": Workspace((m,), "float64", use="backward")} if backward else {}
        if self.transpose:
            return spaces | (products.turning(n, m, k, "backward") if backward else {})
        return spaces | products.turning(n, k, m, "forward")

    def forward(self, run: Run) -> Calls:
        """y = x w^T + b, rectified where a ReLU is computed along."""

        n, k = self._sizes(run.bottom[0].shape)
        x, y = run.bottom[0].reshape(n, k), run.top[0].reshape(n, self.num_output)
        bias = run.param[1] if len(run.param) > 1 else _none(run)
        yield from _product(run, x, bias, y, RECTIFY if run.relu else 0, not self.transpose)

    def backward(self, run: Run) -> Calls:
        """dw = dy^T x, db = the columns of dy, dx = dy w."""
        n, k = self._sizes(run.bottom[0].shape)
        x, dy = run.bottom[0].reshape(n, k), run.top_diff[0].reshape(n, self.num_output)
        y = run.top[0].reshape(n, self.num_output) if run.relu else dy  # read for a ReLU only: else its memory is free
        dw, db = run.param_diff[0], run.param_diff[1] if self.bias_term else None
        if run.relu or db is not None:
            mode = (RECTIFY if run.relu else 0) | (ADD if db is not None and run.param_add[1] else 0)
            yield from products.bias_gradient(y, dy, _none(run) if db is None else db, run.workspace["sums"], mode)
        if dw is not None:
            left, right = (x, dy) if self.transpose else (dy, x)
            yield from products.multiply_columns(left, right, dw, squares_of(run), ADD if run.param_add[0] else 0)
        if run.bottom_diff[0] is not None:
            dx = run.bottom_diff[0].reshape(n, k)
            yield from _product(run, dy, _none(run), dx, ADD if run.bottom_add[0] else 0, self.transpose)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The products of a row."""
        x, (*row, m) = arrays.bottoms[0], index
        w = arrays.params[0].T if self.transpose else arrays.params[0]
        value = dot(w[m], x[tuple(row)].reshape(-1))
        yield (value + Term(arrays.params[1][m]) if self.bias_term else value).at("y", index)


def _product(run: Run, x: Any, bias: Any, y: Any, mode: int, transposed: bool) -> Calls:
    """y = x w + bias, or x w^T + bias."""
    if transposed:
        spaces = run.workspace.get("turned"), run.workspace.get("product")
        return products.multiply_transposed(x, run.param[0], bias, y, mode, *spaces)
    return products.multiply_rows(x, run.param[0], bias, y, mode)


def _none(run: Run) -> Any:
    """An empty bias."""
    return run.param[0].reshape(-1)[:0]
