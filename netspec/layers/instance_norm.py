"""InstanceNorm: y = (x - mean) / sqrt(variance + eps) over each channel of each sample; with `affine`, times w plus b.

Source: Ulyanov, Vedaldi & Lempitsky 2016, "Instance normalization".
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.layers._rows import AffineRowNorm, Cut
from netspec.layers.base import Purpose


class InstanceNorm(AffineRowNorm):
    """Give every channel of every sample the mean 0 and the variance 1.

    Bottom: x (N, C, ...). Top: y, the shape of x. Params, with `affine`: weight (C,), bias (C,).
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: norm, type: InstanceNorm, affine: true}
"""

    affine: Annotated[bool, Aka("elementwise_affine", "scale_bias")] = Field(
        False, description="Multiply with learned factors, and add learned constants."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def cut(self, x: Shape) -> Cut:
        """A row is a channel of a sample."""
        if len(x) < 3:
            raise ShapeError("{bottom[0]} has a single value in each channel of a sample", field="bottom.0")
        return Cut(count(x[:2]), count(x[2:]), 1, tuple(range(2, len(x))))

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,) for weight and bias."""
        return ((bottoms[0][1],),) * len(self.params())
