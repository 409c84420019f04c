"""RMSNorm: y = x / sqrt(mean of x^2 + eps) * w over the last axes of each sample.

Source: Zhang & Sennrich 2019, "Root mean square layer normalization".
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from netspec.codegen.geometry import VARIANCE, RowRule
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, Shapes, axis_of, count
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._rows import Cut, RowNorm
from netspec.layers.base import Param, Purpose


class RMSNorm(RowNorm):
    """Divide the values of each row, the last axes from `axis` on, by the root of their mean square.

    Bottom: x, any shape (N, ..., E). Top: y, the shape of x. Param, unless `affine: false`: weight, with the shape of
    the axes from `axis` on.
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 5, 6]]}
- {name: norm, type: RMSNorm}
"""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        -1, description="First of the axes that are normalised together; negative counts from the end."
    )
    affine: Annotated[bool, Aka("elementwise_affine")] = Field(True, description="Multiply with learned factors.")
    eps: Annotated[float, Aka("epsilon")] = Field(
        1e-6, ge=0, description="Added to the mean square, so that nothing is divided by 0."
    )
    weight_filler: Annotated[
        AnyFiller, Aka("gamma_filler", "gamma_initializer", "init", "initializer", "weight_init")
    ] = Field(Constant(value=1.0), description="Initial factors.")

    @model_validator(mode="after")
    def _fills(self) -> Self:
        if "weight_filler" in self.model_fields_set and not self.affine:
            raise wrong("`weight_filler` has nothing to fill", field="weight_filler", help="say `affine: true`")
        return self

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def rule(self) -> RowRule:
        """By the mean square; no mean is taken off."""
        return RowRule(self.eps, 0, VARIANCE, 0)

    def cut(self, x: Shape) -> Cut:
        """A row is all axes from `axis` on."""
        axis = axis_of(self.axis, x)
        return Cut(count(x[:axis]), count(x[axis:]), 0 if self.affine else 1, tuple(range(axis, len(x))))

    def params(self) -> tuple[Param, ...]:
        """Weight, unless `affine: false`."""
        return (Param("weight", self.weight_filler),) if self.affine else ()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The axes from `axis` on."""
        return (bottoms[0][axis_of(self.axis, bottoms[0]) :],) * len(self.params())
