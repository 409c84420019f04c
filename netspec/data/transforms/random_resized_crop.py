"""RandomResizedCrop: a part of the image of random area and proportion, brought to one size.

In TRAIN the area is a share of the image's, uniform in `scale`; the proportion, width by height, is log-uniform in
`ratio`; the sides are rounded to whole pixels; and each place is equally likely. What does not fit is drawn again, up
to TRIES times, and then the largest window in the middle whose proportion is in `ratio` is taken. Source: Szegedy et
al. 2015, "Going deeper with convolutions", section 6, as torchvision has it. In TEST the middle is shown: the largest
window of the result's proportion, `test_share` of it along each side: 0.875 is a resize of the short side to 256 and
then the middle 224.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from netspec.core.model import Aka, Listed, rising
from netspec.data.resample import Size
from netspec.data.transforms.base_geometric import Dice, Geometric, Move, Span, box

TRIES = 10

Share = Annotated[float, Field(gt=0, le=1)]


class RandomResizedCrop(Geometric):
    """Bring a random part of the image to a size, in TRAIN; in TEST the middle."""

    random: ClassVar[bool] = True

    size: Listed[Annotated[int, Field(gt=0, le=16384)]] = Field(
        min_length=1, max_length=2, description="Height and width of the result: one number, or [h, w]."
    )
    scale: Annotated[tuple[Share, Share], AfterValidator(rising)] = Field(
        (0.08, 1.0), description="Least and largest share of the image's area."
    )
    ratio: Annotated[Span, Aka("aspect_ratio")] = Field(
        (3 / 4, 4 / 3), description="Least and largest width by height of the part."
    )
    test_share: float = Field(
        0.875, gt=0, le=1, description="How much of the largest window in the middle TEST shows, along each side."
    )

    def size_of(self, size: Size) -> Size:
        """The size that is asked for."""
        return self.size[0], self.size[-1]

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The part that is drawn, or the middle."""
        new = self.size_of(size)
        if phase == "TEST":
            height = min(size[0], size[1] * new[0] / new[1]) * self.test_share
            width = min(size[1], size[0] * new[1] / new[0]) * self.test_share
            return box(new, (size[0] - height) / 2, (size[1] - width) / 2, height, width)
        return box(new, *self._part(size, dice))

    def _part(self, size: Size, dice: Dice) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random part."""
        low, high = (math.log(ratio) for ratio in self.ratio)
        for again in range(TRIES):
            area = size[0] * size[1] * dice.between(f"area {again}", *self.scale)
            ratio = math.exp(dice.between(f"ratio {again}", low, high))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < height <= size[0] and 0 < width <= size[1]:
                top = int(dice("top") * (size[0] - height + 1))
                left = int(dice("left") * (size[1] - width + 1))
                return top, left, height, width
        height = min(size[0], max(1, round(size[1] / self.ratio[0])))
        width = min(size[1], max(1, round(size[0] * self.ratio[1])))
        return (size[0] - height) // 2, (size[1] - width) // 2, height, width
