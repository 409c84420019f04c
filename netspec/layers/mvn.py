"""MVN: y = (x - mean) / (deviation + eps) over each channel of each sample, or over each whole sample.

The deviation is the root of the mean of (x - mean)^2; eps is added to it, not to the variance. Backward computes
dx = (dy - mean(dy) - y * mean(dy * y)) / (deviation + eps), as Caffe does: exact but for the eps in y, of which the
gradient says nothing. Source: Caffe mvn_layer.cpp.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.codegen.geometry import CENTRE, DEVIATION, RowRule
from netspec.core.calls import Call, Calls, Run
from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.layers._rows import Cut, RowNorm
from netspec.layers.base import Purpose


class MVN(RowNorm):
    """Give every channel of every sample the mean 0 and the variance 1.

    Bottom: x (N, C, ...). Top: y, the shape of x; with `four_axes`, as in Caffe, that of x with axes of 1 behind it.
    Unlike in Caffe x may have more than four axes.
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: mvn, type: MVN, across_channels: true}
"""

    normalize_variance: Annotated[bool, Aka("normalise_variance")] = Field(
        True, description="Divide by the deviation; else only the mean is taken off."
    )
    across_channels: bool = Field(False, description="One mean and deviation for all channels of a sample.")
    eps: Annotated[float, Aka("epsilon")] = Field(
        1e-9, ge=0, description="Added to the deviation, so that nothing is divided by 0."
    )
    four_axes: bool = Field(
        False, description="Give the top at least four axes, as Caffe does: axes of 1 behind those of the bottom."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape, with axes of 1 behind it where `four_axes` says so."""
        (x,) = super().top_shapes(bottoms)
        return (x + (1,) * (4 - len(x)) if self.four_axes else x,)

    def backward(self, run: Run) -> Calls:
        """As of any rows; a row of one value has no gradient, which Caffe's nets may have."""
        from netspec.kernels import copy

        if self.four_axes and self.cut(run.bottom_shapes[0]).length == 1 and run.bottom_diff[0] is not None:
            yield Call(copy.fill, run.bottom_diff[0], 0.0)
        else:
            yield from super().backward(run)

    @property
    def rule(self) -> RowRule:
        """By the mean, and the deviation with eps added."""
        return RowRule(self.eps, 1, DEVIATION if self.normalize_variance else CENTRE, 0)

    def cut(self, x: Shape) -> Cut:
        """A row is a channel of a sample, or a sample."""
        if not x:
            raise ShapeError("{bottom[0]} has no samples", field="bottom.0")
        first = 1 if self.across_channels else 2
        return Cut(count(x[:first]), count(x[first:]), 1, tuple(range(first, len(x))))
