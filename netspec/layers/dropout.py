"""Dropout: y = x * m / (1 - p), m = 1 with probability 1 - p, else 0; while testing y = x.

Each m is a function of (seed, iteration, sub-iteration, index) alone, so backward draws it again instead of keeping it.
The index counts in the order N, C, H, W, whatever the memory layout.
Source: Srivastava et al. 2014; the inverted form of Caffe dropout_layer.cpp.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.core.calls import Call, Run
from netspec.layers._drop import Dropping, pixels_last
from netspec.layers.base import Purpose


class Dropout(Dropping):
    """Set random elements to 0 while training and scale the others up, so that the mean stays.

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: drop, type: Dropout, dropout_ratio: 0.4}
"""

    def dropped(self, run: Run, x: Any, y: Any) -> Call:
        """One number for each element."""
        from netspec.kernels import random

        channels = pixels_last(run)
        if channels is not None:
            return Call(random.dropout_channels_last, x, y, *self.drawing(run), *channels)
        return Call(random.dropout, x, y, *self.drawing(run))
