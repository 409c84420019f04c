"""LayerNorm: y = (x - mean) / sqrt(variance + eps) * w + b over the last axes of each sample.

Source: Ba, Kiros & Hinton 2016, "Layer normalization".
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shape, Shapes, axis_of, count
from netspec.layers._rows import AffineRowNorm, Cut
from netspec.layers.base import Purpose


class LayerNorm(AffineRowNorm):
    """Give the values of each row, the last axes from `axis` on, the mean 0 and the variance 1.

    Bottom: x, any shape (N, ..., E). Top: y, the shape of x. Params, unless `affine: false`: weight and bias, with the
    shape of the axes from `axis` on.
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 5, 6]]}
- {name: norm, type: LayerNorm, eps: 0.001}
"""

    axis: Annotated[int, Aka("axes", "dim", "begin_norm_axis")] = Field(
        -1, description="First of the axes that are normalised together; negative counts from the end."
    )

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    def cut(self, x: Shape) -> Cut:
        """A row is all axes from `axis` on."""
        axis = axis_of(self.axis, x)
        return Cut(count(x[:axis]), count(x[axis:]), 0 if self.affine else 1, tuple(range(axis, len(x))))

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The axes from `axis` on, for weight and bias."""
        return (bottoms[0][axis_of(self.axis, bottoms[0]) :],) * len(self.params())
