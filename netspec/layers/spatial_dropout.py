"""SpatialDropout: y = x * m / (1 - p), one m for each channel of each sample; while testing y = x.

m = 1 with probability 1 - p, else 0. Source: Tompson et al. 2015, "Efficient object localization using convolutional
networks"; PyTorch Dropout2d.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.core.calls import Call, Run
from netspec.core.shape import ShapeError, Shapes, count
from netspec.layers._drop import Dropping, pixels_last
from netspec.layers.base import Purpose


class SpatialDropout(Dropping):
    """Set random channels of each sample to 0 while training and scale the others up, so that the mean stays.

    Bottom: x (N, C, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: conv, type: Convolution, num_output: 6, kernel_size: 3, weight_filler: xavier}
- {name: drop, type: SpatialDropout, dropout_ratio: 0.4}
"""

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if len(bottoms[0]) < 2:
            raise ShapeError("{bottom[0]} has no axis of channels", field="bottom.0")
        return bottoms

    def dropped(self, run: Run, x: Any, y: Any) -> Call:
        """One number for each plane."""
        from netspec.kernels import noise

        channels = pixels_last(run)
        if channels is not None:
            return Call(noise.drop_channels, x, y, *self.drawing(run), *channels)
        return Call(noise.drop_planes, x, y, *self.drawing(run), count(run.bottom_shapes[0][2:]))
