"""SmoothL1Loss: the sum of d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = a - b, over the batch size.

Source: Girshick 2015, Fast R-CNN; sigma is from its Caffe layer. PyTorch's SmoothL1Loss is this with
`normalization: FULL`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from netspec.core.formula import Number
from netspec.core.model import wrong
from netspec.layers._pair_loss import PairLoss
from netspec.layers.base import Purpose


class SmoothL1Loss(PairLoss):
    """The squared distance between two blobs near 0, the absolute distance far from it.

    Bottom: a and b (N, ...), equally many values; both may receive a gradient. Top: the loss, a scalar.
    """

    no_diff: ClassVar[frozenset[int]] = frozenset()
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, target], shape: [[4, 3], [4, 2]]}
- {name: ip, type: InnerProduct, num_output: 2, bottom: data, weight_filler: xavier}
- {name: loss, type: SmoothL1Loss, bottom: [ip, target], beta: 0.5}
"""

    beta: float = Field(1.0, gt=0, description="Where the square ends and the straight line begins.")
    sigma: float | None = Field(None, gt=0, description="Fast R-CNN's word for beta: beta is 1 / sigma^2.")

    @model_validator(mode="after")
    def _one_word(self) -> Self:
        if self.sigma is not None and "beta" in self.model_fields_set:
            raise wrong("`sigma` and `beta` say the same thing", field="sigma", help="give one of them")
        return self

    @property
    def end(self) -> float:
        """Where the square ends."""
        return self.beta if self.sigma is None else 1 / self.sigma**2

    def identity(self) -> dict[str, Any]:
        """With beta, whichever word gave it."""
        fields = {name: value for name, value in super().identity().items() if name not in {"beta", "sigma"}}
        return fields if self.end == 1 else fields | {"beta": self.end}

    @staticmethod
    def value(x: Number, t: Number, end: Number) -> Number:
        """The distance, smooth at 0."""
        apart = x - t
        far = apart.where(apart > 0, -apart)
        return (far * far / (2.0 * end)).where(far < end, far - end / 2.0)

    @staticmethod
    def gradient(x: Number, t: Number, end: Number) -> Number:
        """d / beta, cut at -1 and 1."""
        slope = (x - t) / end
        most = slope.where(slope < 1, 1.0)
        return most.where(most > -1, -1.0)
