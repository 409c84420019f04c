"""LeakyReLU: y = x where x > 0, else negative_slope * x.

Source: Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models"; PyTorch LeakyReLU.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.layers.base import Purpose
from netspec.layers.relu import ReLU


class LeakyReLU(ReLU):
    """Rectify a blob, but let a little of its negative values through: ReLU with a slope of 0.01.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place unless the slope is negative.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: leaky, type: LeakyReLU, negative_slope: 0.1}
"""

    negative_slope: Annotated[float, Aka("alpha", "activation_slope", "slope")] = Field(
        0.01, description="Slope for x <= 0."
    )
