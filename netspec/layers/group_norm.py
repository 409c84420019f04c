"""GroupNorm: y = (x - mean) / sqrt(variance + eps) * w + b over each group of channels of each sample.

Source: Wu & He 2018, "Group normalization".
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.layers._rows import AffineRowNorm, Cut
from netspec.layers.base import Purpose


class GroupNorm(AffineRowNorm):
    """Give every group of channels of every sample the mean 0 and the variance 1.

    Bottom: x (N, C, ...). Top: y, the shape of x. Params, unless `affine: false`: weight (C,), bias (C,).
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: norm, type: GroupNorm, group: 3}
"""

    group: Annotated[int, Aka("groups", "num_groups")] = Field(
        32, gt=0, description="Number of groups; the channels are a multiple of it."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def cut(self, x: Shape) -> Cut:
        """A row is a group of channels, each of them a run."""
        if len(x) < 2:
            raise ShapeError("{bottom[0]} has no channels", field="bottom.0")
        if x[1] % self.group:
            raise ShapeError(
                f"the {x[1]} channels of {{bottom[0]}} are not a multiple of `group` {self.group}", field="group"
            )
        some = x[1] // self.group
        return Cut(x[0] * self.group, some * count(x[2:]), some if self.affine else 1, tuple(range(1, len(x))))

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,) for weight and bias."""
        return ((bottoms[0][1],),) * len(self.params())
