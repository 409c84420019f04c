"""L2Normalize: y = x / max(sqrt(sum of x^2), eps), the sum taken along some axes; with `affine`, times w.

Source: Liu, Rabinovich & Berg 2015, "ParseNet"; with a learned scale it is the Normalize layer of SSD (Liu et al.
2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from netspec.codegen.geometry import LENGTH, RowRule
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count, counted
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._rows import Cut, RowNorm
from netspec.layers.base import ANY_LAYOUT, BOTTOM, Abilities, Param, Purpose
from netspec.lowering.channels import adds

if TYPE_CHECKING:
    from netspec.core.calls import Array


class L2Normalize(RowNorm):
    """Give the vectors along `axis`, or along several axes, the length 1.

    Bottom: x, any shape. Top: y, the shape of x. Param, with `affine`: weight, with the shape of the axes that are
    normalised. A vector shorter than `eps` is divided by `eps`.
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: norm, type: L2Normalize, affine: true, weight_filler: {type: constant, value: 20}}
"""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="First of the axes that a vector reaches along; negative counts from the end."
    )
    num_axes: int = Field(1, ge=-1, description="How many axes a vector reaches along; -1: all from `axis` on.")
    eps: Annotated[float, Aka("epsilon")] = Field(1e-12, gt=0, description="Least length that a vector is divided by.")
    affine: Annotated[bool, Aka("elementwise_affine", "scale_bias")] = Field(
        False, description="Multiply with learned factors."
    )
    weight_filler: Annotated[AnyFiller, Aka("scale_filler", "init", "initializer", "weight_init")] = Field(
        Constant(value=1.0), description="Initial factors, with `affine`; SSD begins with 20."
    )

    @model_validator(mode="after")
    def _fills(self) -> Self:
        if "weight_filler" in self.model_fields_set and not self.affine:
            raise wrong("`weight_filler` has nothing to fill", field="weight_filler", help="say `affine: true`")
        if not self.num_axes:
            raise wrong(
                "a vector along no axis is a single number", field="num_axes", help="-1 means all from `axis` on"
            )
        return self

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """Any layout where a vector is made of the channels."""
        alone = self.axis == 1 and self.num_axes == 1
        return Abilities(layouts=ANY_LAYOUT if alone else ("NCHW",), reads=BOTTOM, stores=True)

    @property
    def rule(self) -> RowRule:
        """By the length; no mean is taken off."""
        return RowRule(self.eps, 0, LENGTH, 0)

    def _span(self, x: Shape) -> tuple[int, int]:
        """The first axis that is normalised, and the first behind them. Raises ShapeError."""
        first = axis_of(self.axis, x)
        last = len(x) if self.num_axes == -1 else first + self.num_axes
        if last > len(x):
            axes = counted(self.num_axes, "axis", "axes")
            raise ShapeError(f"{{bottom[0]}} has no {axes} from axis {first} on", field="num_axes")
        return first, last

    def _around(self, x: Shape, layout: str = "NCHW") -> tuple[int, int, int]:
        """(outer, C, inner) of x as it lies in memory."""
        first, last = self._span(x)
        if layout == "NHWC" and len(x) == 4:
            return x[0] * x[2] * x[3], x[1], 1
        return count(x[:first]), count(x[first:last]), count(x[last:])

    def cut(self, x: Shape) -> Cut:
        """A row is a vector; its values may lie apart."""
        outer, c, inner = self._around(x)
        return Cut(outer * inner, c, 0 if self.affine else 1, tuple(range(*self._span(x))))

    def in_rows(self, x: Array) -> Array:
        """A blob of the bottom's shape as vectors."""
        outer, c, inner = self._around(x.shape)
        return x.reshape(outer, c, inner).swapaxes(1, 2).reshape(outer * inner, c)

    def params(self) -> tuple[Param, ...]:
        """Weight, with `affine`."""
        return (Param("weight", self.weight_filler),) if self.affine else ()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The axes that are normalised."""
        first, last = self._span(bottoms[0])
        return (bottoms[0][first:last],) * len(self.params())

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Those of rows, and for each vector whose values lie apart a product."""
        outer, _, inner = self._around(bottoms[0])
        dot = {"dot": Workspace((outer, inner), "float64", use="backward")} if backward and inner > 1 else {}
        return super().workspaces(bottoms, backward) | dot

    def forward(self, run: Run) -> Calls:
        """One pass for the lengths, one for the result."""
        from netspec.kernels import norm_rows

        _, c, inner = self._around(run.bottom_shapes[0], run.layout)
        if inner == 1:
            yield from super().forward(run)
            return
        inverse, weight = run.workspace["inverse"], self._affine(run).weight
        arrays = (run.bottom[0], weight, inverse, run.top[0])
        yield Call(norm_rows.lengths_forward, *arrays, c, inner, self.eps)

    def backward(self, run: Run) -> Calls:
        """One pass for the products of each vector with its gradient, one for dx; one for dw."""
        from netspec.kernels import norm_rows

        _, c, inner = self._around(run.bottom_shapes[0], run.layout)
        if inner == 1:
            yield from super().backward(run)
            return
        x, dy, inverse = run.bottom[0], run.top_diff[0], run.workspace["inverse"]
        if run.bottom_diff[0] is not None:
            arrays = (x, dy, self._affine(run).weight, inverse, run.workspace["dot"], run.bottom_diff[0])
            yield Call(norm_rows.lengths_backward, *arrays, c, inner, self.eps)
        dw = run.param_diff[0] if self.affine else None
        if dw is not None:
            parts = min(c, norm_rows.lengths_forward.parts((x,)))
            yield Call(norm_rows.lengths_factors, x, dy, inverse, dw, inner, adds(run, 0), parts=parts)
