"""sinusoidal: sines and cosines whose wavelengths grow along a row.

value[t, 2i] = sin(t / 10000^(2i / E)), value[t, 2i + 1] = cos(t / 10000^(2i / E)) for rows t of E values. Source:
Vaswani et al. 2017, "Attention is all you need", section 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.shape import Shape, ShapeError, text
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Sinusoidal(Filler):
    """A row for each position, in pairs of a sine and a cosine."""

    random: ClassVar[bool] = False

    def check(self, shape: Shape) -> None:
        """Refuse what is not made of rows."""
        if len(shape) != 2:
            raise ShapeError(f"sinusoidal fills (positions, values) only, not {text(shape)}")

    def fill(self, shape: Shape, random: Generator) -> Any:
        """The same values at every call."""
        import numpy as np

        place = np.arange(shape[1])
        angle = np.arange(shape[0])[:, None] / 10000.0 ** ((place - place % 2) / shape[1])
        return np.where(place % 2 == 0, np.sin(angle), np.cos(angle))
