"""constant: one value everywhere. Source: Caffe filler.hpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from netspec.core.shape import Shape
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Constant(Filler):
    """One value everywhere."""

    random: ClassVar[bool] = False

    value: float = Field(0.0, description="The value.")

    @property
    def level(self) -> float | None:
        """The value."""
        return self.value

    def fill(self, shape: Shape, random: Generator) -> Any:
        """`value` in every place of `shape`."""
        import numpy as np

        return np.full(shape, self.value)
