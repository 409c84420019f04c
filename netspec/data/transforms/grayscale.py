"""Grayscale: y = 0.299 red + 0.587 green + 0.114 blue. Source: ITU-R BT.601, as in Pillow and torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape
from netspec.data.transforms.base import Apply, Setting, Transform
from netspec.data.transforms.base_pixels import as_stored, colours, grey_of

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Grayscale(Transform):
    """Take the colour out of images: of all; or with a `probability` below 1 of some, in TRAIN only."""

    random: ClassVar[bool] = True

    channels: Annotated[Literal[1, 3], Aka("num_output_channels")] = Field(
        1, description="Channels that come out: 1, or 3 that are equal."
    )
    probability: Annotated[float, Aka("p", "prob")] = Field(
        1.0, ge=0, le=1, description="The share of the images that become grey; below 1 three channels must stay."
    )

    @model_validator(mode="after")
    def _one_number_of_channels(self) -> Self:
        if self.probability < 1 and self.channels == 1:
            text = "with a `probability` below 1 some images keep their colours, so all keep three channels"
            raise wrong(text, field="probability", help="say `channels: 3`")
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """(1, H, W) or (3, H, W). Raises ShapeError when the sample is not a coloured or grey image."""
        return (self.channels, *colours(shape, "Grayscale")[1:])

    def bind(self, setting: Setting) -> Apply:
        """The grey of all images, or of those that are drawn."""
        import numpy as np

        def grey(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            one = x if x.shape[1] == 1 else as_stored(grey_of(x), x, np.inf) if x.dtype.kind in "iu" else grey_of(x)
            return np.repeat(one, self.channels, axis=1)

        def some(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            chosen = draw.uniform(setting.stream) < self.probability
            return np.where(chosen[:, None, None, None], grey(x, draw), x)

        def as_is(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            return np.repeat(x, 3, axis=1) if x.shape[1] == 1 else x

        if self.probability == 1:
            return grey
        return some if setting.phase == "TRAIN" else as_is
