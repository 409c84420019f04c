"""ColorJitter: random brightness, contrast, saturation and hue, in this order, in TRAIN.

Brightness b: x b. Contrast c: m + c (x - m), where m is the mean grey of the image. Saturation s: g + s (x - g), where
g is the grey of the pixel. Hue h: the hue of the pixel turned by h of a circle. After each, values are kept between
black and white. Source: Krizhevsky et al. 2012; Howard 2013; formulas as in torchvision, which draws their order too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from netspec.core.model import Listed, rising, wrong
from netspec.core.shape import Shape
from netspec.data.transforms.base_pixels import (
    PixelTransform,
    Range,
    as_stored,
    between,
    colours,
    factors,
    grey_of,
    white_of,
)

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class ColorJitter(PixelTransform):
    """Change brightness, contrast, saturation and hue by random amounts.

    A single number b stands for factors from 1-b to 1+b, at least 0; of hue, for turns from -b to b.
    """

    brightness: Range = Field(
        (0.0,),
        min_length=1,
        max_length=2,
        description="Largest change of the factor of brightness, or [least, largest].",
    )
    contrast: Range = Field(
        (0.0,), min_length=1, max_length=2, description="Largest change of the factor of contrast, or [least, largest]."
    )
    saturation: Range = Field(
        (0.0,),
        min_length=1,
        max_length=2,
        description="Largest change of the factor of saturation, or [least, largest].",
    )
    hue: Annotated[Listed[Annotated[float, Field(ge=-0.5, le=0.5)]], AfterValidator(rising)] = Field(
        (0.0,), min_length=1, max_length=2, description="Largest turn of the hue to both sides, or [least, largest]."
    )
    white: float | None = Field(
        None, gt=0, description="What white is; left out: 255 of bytes, 65535 of 16 bits, 1 of numbers with a point."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if all(value == (0.0,) for value in (self.brightness, self.contrast, self.saturation, self.hue)):
            raise wrong(
                "this ColorJitter changes nothing", help="say `brightness: 0.4`, `contrast`, `saturation`, `hue`"
            )
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it is not a coloured or grey image."""
        return colours(shape, "ColorJitter")

    def changed(self, x: Array, draw: Draw, stream: str) -> Array:
        """Brightness, contrast, saturation, hue; grey images have no saturation and no hue."""
        import numpy as np

        white = white_of(x, self.white)
        y = x.astype(np.float32)
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            if value == (0.0,) or (name == "saturation" and x.shape[1] == 1):
                continue
            factor = factors(between(draw, f"{stream} {name}", _factors(value)))
            if name == "brightness":
                y = y * factor
            else:
                grey = grey_of(y)
                middle = grey if name == "saturation" else grey.mean(axis=(1, 2, 3), keepdims=True)
                y = middle + factor * (y - middle)
            y = np.clip(y, 0, white)
        if self.hue != (0.0,) and x.shape[1] == 3:
            bounds = self.hue if len(self.hue) == 2 else (-abs(self.hue[0]), abs(self.hue[0]))
            y = _turned(y, between(draw, f"{stream} hue", bounds).astype(np.float32)[:, None, None])
        return as_stored(y, x, white)


def _factors(value: tuple[float, ...]) -> tuple[float, ...]:
    return value if len(value) == 2 else (max(0.0, 1 - value[0]), 1 + value[0])


def _turned(x: Array, turn: Array) -> Array:
    """Images (N, 3, H, W) whose hues are turned, a turn for each (N, 1, 1); value and saturation stay (HSV)."""
    import numpy as np

    most, least = x.max(axis=1), x.min(axis=1)
    spread = most - least
    divisor = np.where(spread == 0, 1, spread)
    r, g, b = x[:, 0], x[:, 1], x[:, 2]
    sixths = np.where(most == r, (g - b) / divisor, np.where(most == g, 2 + (b - r) / divisor, 4 + (r - g) / divisor))
    hue = np.where(spread == 0, 0, sixths + 6 * turn)
    channels = []
    for shift in (5, 3, 1):  # red, green, blue: most - spread * max(0, min(k, 4 - k, 1)), k = (shift + hue) mod 6
        k = np.mod(shift + hue, 6)
        channels.append(most - spread * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(channels, axis=1)
