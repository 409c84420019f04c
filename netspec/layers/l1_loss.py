"""L1Loss: the sum of |a - b| over the batch size. The derivative at a = b is 0.

Source: least absolute deviations, Boscovich 1757; PyTorch's L1Loss is this with `normalization: FULL`.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers._pair_loss import PairLoss
from netspec.layers.base import Purpose


class L1Loss(PairLoss):
    """The absolute distance between two blobs: regression that outliers do not rule.

    Bottom: a and b (N, ...), equally many values; both may receive a gradient. Top: the loss, a scalar.
    """

    no_diff: ClassVar[frozenset[int]] = frozenset()
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, target], shape: [[4, 3], [4, 2]]}
- {name: ip, type: InnerProduct, num_output: 2, bottom: data, weight_filler: xavier}
- {name: loss, type: L1Loss, bottom: [ip, target]}
"""

    @staticmethod
    def value(x: Number, t: Number) -> Number:
        """The distance."""
        apart = x - t
        return apart.where(apart > 0, -apart)

    @staticmethod
    def gradient(x: Number, t: Number) -> Number:
        """The sign of a - b."""
        apart = x - t
        rising = apart.where(apart <= 0, 1.0)
        return rising.where(rising >= 0, -1.0)
