"""Noise: random values on every pixel, Gaussian or salt and pepper, in TRAIN.

Gaussian: y = x + s white z, z ~ N(0, 1) for each value. Salt and pepper: a pixel becomes white or black, in all its
channels. Source: Bishop 1995, "Training with noise is equivalent to Tikhonov regularization"; Box & Muller 1958.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.data.transforms.base_pixels import PixelTransform, Range, as_stored, between, factors, white_of

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Noise(PixelTransform):
    """Add Gaussian noise to every value, or make some pixels white and black, or both, in TRAIN only."""

    gaussian: Annotated[Range, Aka("std", "sigma")] = Field(
        (0.0,), description="Deviation of the noise as a share of white: a number, or [least, largest]."
    )
    salt_pepper: float = Field(0.0, ge=0, le=1, description="The share of pixels that become white or black.")
    white: float | None = Field(
        None, gt=0, description="What white is; left out: 255 of bytes, 65535 of 16 bits, 1 of numbers with a point."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.gaussian[-1] == 0 and self.salt_pepper == 0:
            raise wrong("this Noise changes nothing", help="say `gaussian: 0.05` or `salt_pepper: 0.02`")
        return self

    def changed(self, x: Array, draw: Draw, stream: str) -> Array:
        """Gaussian noise first."""
        import numpy as np

        n, c, h, w = x.shape
        white = white_of(x, self.white)
        y = x.astype(np.float32)
        if self.gaussian[-1]:
            u, v = (draw.many(f"{stream} {name}", c * h * w) for name in ("length", "angle"))
            z = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
            deviation = factors(between(draw, f"{stream} gaussian", self.gaussian))
            y = np.clip(y + np.float32(white) * deviation * z.astype(np.float32).reshape(x.shape), 0, white)
        if self.salt_pepper:
            u = draw.many(f"{stream} salt and pepper", h * w).reshape(n, 1, h, w)
            y = np.where(u < self.salt_pepper / 2, np.float32(0), np.where(u < self.salt_pepper, np.float32(white), y))
        return as_stored(y, x, white)
