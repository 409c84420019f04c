"""Threshold: y = 1 where x > threshold, else 0. Source: Caffe threshold_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Threshold(Elementwise):
    """Say of every value whether it lies above a threshold; there is no gradient.

    Bottom: x, any shape. Top: y, the shape of x, of ones and zeros; may be computed in place.
    """

    differentiable: ClassVar[bool] = False
    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: above, type: Threshold, threshold: 0.5}
"""

    threshold: float = Field(0.0, description="Values above it become 1; a value equal to it becomes 0.")

    @property
    def one(self) -> float:
        """The top where x lies above the threshold."""
        return 1.0

    @staticmethod
    def value(x: Number, threshold: Number, one: Number) -> Number:
        """The top."""
        return one.where(x > threshold, 0.0)

    @staticmethod
    def gradient() -> float:
        """Nothing passes."""
        return 0.0
