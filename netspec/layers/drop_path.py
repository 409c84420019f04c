"""DropPath: y = x * m / (1 - p), one m for each sample; while testing y = x.

Its other name is stochastic depth. m = 1 with probability 1 - p, else 0. On the branch of a residual block, beside the
shortcut, it skips the block for random samples. Source: Huang et al. 2016, "Deep networks with stochastic depth";
torchvision StochasticDepth, mode row.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.core.calls import Call, Run
from netspec.core.shape import ShapeError, Shapes, count
from netspec.layers._drop import Dropping
from netspec.layers.base import Purpose


class DropPath(Dropping):
    """Set random samples to 0 while training and scale the others up, so that the mean stays.

    Bottom: x (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[4, 3]]}
- {name: branch, type: InnerProduct, num_output: 3, weight_filler: xavier}
- {name: path, type: DropPath, dropout_ratio: 0.3}
- {name: sum, type: Eltwise, bottom: [data, path]}
"""

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if not bottoms[0]:
            raise ShapeError("{bottom[0]} has no axis of samples", field="bottom.0")
        return bottoms

    def dropped(self, run: Run, x: Any, y: Any) -> Call:
        """One number for each sample."""
        from netspec.kernels import noise

        return Call(noise.drop_planes, x, y, *self.drawing(run), count(run.bottom_shapes[0][1:]))
