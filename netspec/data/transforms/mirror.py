"""Mirror: left and right change places in half of the images, in TRAIN. Source: Caffe's transform_param.mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from netspec.data.resample import Size
from netspec.data.transforms.base import Apply, Setting
from netspec.data.transforms.base_geometric import Dice, Geometric, Move

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw

_DRAWS = {"horizontal": ("",), "vertical": ("vertical",), "both": ("", "vertical")}
"""The names of the numbers that are drawn for an axis: one that exchanges left and right, one for top and bottom."""


class Mirror(Geometric):
    """Flip an image horizontally, with probability 1/2, in TRAIN only; or vertically; or along both, independently.

    Caffe flips at random in TEST too, so that each test gives another answer; here TEST shows each image as it is.
    """

    random: ClassVar[bool] = True
    exact: ClassVar[bool] = True

    axis: Literal["horizontal", "vertical", "both"] = Field(
        "horizontal",
        description="Which sides change places: left and right, top and bottom, or either, each by itself.",
    )

    def bind(self, setting: Setting) -> Apply:
        """A copy in which the chosen images are flipped."""

        def as_is(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            return x

        def half(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            y = x.copy()
            for name in _DRAWS[self.axis]:
                flipped = draw.uniform(f"{setting.stream} {name}".rstrip()) < 0.5
                y[flipped] = y[flipped][..., ::-1, :] if name else y[flipped][..., ::-1]
            return y

        return half if setting.phase == "TRAIN" else as_is

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The sides that change places, by the numbers that `bind` draws."""
        flipped = [name for name in _DRAWS[self.axis] if dice(name) < 0.5] if phase == "TRAIN" else []
        across, down = "" in flipped, "vertical" in flipped
        a, b = (-1.0, float(size[1])) if across else (1.0, 0.0)
        c, d = (-1.0, float(size[0])) if down else (1.0, 0.0)
        return Move(size, (a, 0.0, b, 0.0, c, d, 0.0, 0.0, 1.0))
