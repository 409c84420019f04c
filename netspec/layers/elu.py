"""ELU: y = x where x > 0, else alpha * (e^x - 1).

Source: Clevert, Unterthiner & Hochreiter 2015; Caffe elu_layer.cpp.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.formula import Number
from netspec.core.model import Aka
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class ELU(Elementwise):
    """Let positive values pass and bend negative ones towards -alpha.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: elu, type: ELU, alpha: 0.5}
"""

    alpha: Annotated[float, Aka("negative_slope", "activation_slope", "slope")] = Field(
        1.0, description="Where very negative values end, with the other sign."
    )

    @staticmethod
    def value(x: Number, alpha: Number) -> Number:
        """The top."""
        return x.where(x > 0, alpha * (x.exp() - 1.0))

    @staticmethod
    def gradient(x: Number, dy: Number, alpha: Number) -> Number:
        """The bottom's diff: the slope is 1, or alpha * e^x."""
        return dy.where(x > 0, dy * (alpha * x.exp()))
