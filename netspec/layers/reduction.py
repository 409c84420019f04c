"""Reduction: y = coeff * the sum of x, |x| or x^2 over the last axes, or the mean of x.

Source: Caffe reduction_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.metric import Metric
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shapes, axis_of, count
from netspec.core.worked import LayerArrays, Term, Worked, sum_of, sum_of_squares, total
from netspec.layers.base import BOTTOM, NOTHING, Abilities, BatchAxes, Layer, Passing, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array

CHUNK = 4096
"""Values that are added by one part; longer sums are added in pieces, so that several threads may share one."""


@dataclass(frozen=True)
class Reduced(Metric):
    """A sum over all batches, times a factor; a mean is divided by the number of values, of which a batch has `length`.

    Statistics: the sum, and the number of values.
    """

    length: int
    coeff: float
    mean: bool
    space = "partial"

    def statistics(self, space: Array) -> Array:
        """(sum, values)."""
        import numpy as np

        return np.array([space.sum(), self.length])

    def finish(self, total: Array) -> tuple[Array, ...]:
        """The scalar."""
        return (total[0] * self.coeff / (total[1] if self.mean else 1),)


class Reduction(Layer):
    """Reduce the axes from `axis` on to a single value: their sum, the sum of absolute values or of squares, the mean.

    Bottom: x, any shape (..., reduced axes). Top: y, the axes of x in front of `axis`; with `axis` 0 a scalar. With a
    `loss_weight` it is a loss. The gradient of ASUM is 0 where x is.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 4, 5]]}
- {name: rows, type: Reduction, operation: SUMSQ, axis: -1, coeff: 0.5}
- {name: loss, type: Reduction, operation: MEAN, loss_weight: 1}
"""

    operation: Annotated[Literal["SUM", "ASUM", "SUMSQ", "MEAN"], Aka("op", "reduction")] = Field(
        "SUM", description="SUM adds up x, ASUM |x|, SUMSQ x^2; MEAN is the sum over the number of values."
    )
    axis: Annotated[int, Aka("axes", "dim", "start_axis")] = Field(
        0, description="The first axis that is reduced, with all behind it; negative counts from the end."
    )
    coeff: Annotated[float, Aka("scale", "coefficient")] = Field(1.0, description="Factor on the result.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom for absolute values and squares."""
        return Abilities(reads=NOTHING if self.operation in {"SUM", "MEAN"} else BOTTOM)

    @property
    def passing(self) -> Passing:
        """Zeros give 0; there absolute values and squares have no slope."""
        return Passing("all", stops=self.operation in {"ASUM", "SUMSQ"})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The axes in front of `axis`."""
        return (bottoms[0][: axis_of(self.axis, bottoms[0])],)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """4*5 -> 1."""
        return f"{'*'.join(map(str, bottoms[0][axis_of(self.axis, bottoms[0]) :]))} -> 1"

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The bottom's, unless it is reduced."""
        kept = axes[0] is not None and axes[0] < axis_of(self.axis, bottoms[0])
        return (axes[0] if kept else None,)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image: no top keeps rows and columns."""
        return union(bottoms, fields).whole(True, True)

    def metric(self, bottoms: Shapes) -> Reduced | None:
        """A scalar is that of the values of all batches."""
        scalar = self.top_shapes(bottoms) == ((),)
        return Reduced(count(bottoms[0]), self.coeff, self.operation == "MEAN") if scalar else None

    def _length(self, shape: tuple[int, ...]) -> int:
        """The number of values that become one."""
        return count(shape[axis_of(self.axis, shape) :])

    def _factor(self, shape: tuple[int, ...]) -> float:
        return self.coeff / self._length(shape) if self.operation == "MEAN" else self.coeff

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The sum of each chunk; a scalar follows from them over several batches."""
        length = self._length(bottoms[0])
        chunks = count(bottoms[0]) // length * -(-length // CHUNK)
        scalar = self.top_shapes(bottoms) == ((),)
        return {"partial": Workspace((chunks,), "float64", use="both" if scalar else "forward", score=scalar)}

    def forward(self, run: Run) -> Calls:
        """The sum of each chunk; then the sum of each value's chunks."""
        from netspec.kernels import reduction

        x, y, partial = run.bottom[0], run.top[0], run.workspace["partial"]
        kernel = {"ASUM": reduction.sum_absolute, "SUMSQ": reduction.sum_squares}.get(self.operation, reduction.sum_up)
        parts = kernel.parts((x,))
        yield Call(kernel, x, partial, self._length(x.shape), CHUNK, parts=parts)
        yield Call(reduction.finish, partial, y, self._factor(x.shape))

    def backward(self, run: Run) -> Calls:
        """The factor times 1, the sign of x, or 2x, for every value that y is made of."""
        from netspec.kernels import reduction

        x, dy, dx = run.bottom[0], run.top_diff[0], run.bottom_diff[0]
        if dx is None:
            return
        length, factor = self._length(x.shape), self._factor(x.shape)
        if self.operation == "ASUM":
            yield Call(reduction.spread_signs, dx, x, dy, length, factor)
        elif self.operation == "SUMSQ":
            yield Call(reduction.spread_values, dx, x, dy, length, 2 * factor)
        else:
            yield Call(reduction.spread, dx, dy, length, factor)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The terms of the sum."""
        values = arrays.bottoms[0][index].reshape(-1)
        result = sum_of_squares(values) if self.operation == "SUMSQ" else sum_of(values)
        if self.operation == "ASUM":
            result = total([Term(value).abs() for value in values])
        result = result / len(values) if self.operation == "MEAN" else result
        yield (result if self.coeff == 1 else Term(self.coeff) * result).at("y", index)
