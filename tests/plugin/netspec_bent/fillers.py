"""ramp: values that rise evenly from 0 to `last`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from netspec.core.shape import Shape, count
from netspec.fillers.base import Filler


class Ramp(Filler):
    """Values that rise evenly, from 0 to `last`."""

    random: ClassVar[bool] = False
    last: float = Field(1.0, description="The last value.")

    def fill(self, shape: Shape, random: Any) -> Any:
        """Rising values, in the order of the memory."""
        import numpy as np

        return np.linspace(0.0, self.last, count(shape)).reshape(shape)
