"""Base of transforms of pixel values: chances, ranges of random numbers, black and white.

Images keep their type of numbers. Bytes are rounded, and values stay between black, 0, and white: images whose values
do not, as their mean was subtracted, are an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from netspec.core.errors import DataError
from netspec.core.model import Aka, Listed, rising
from netspec.core.nodes import placed
from netspec.core.shape import Shape, ShapeError
from netspec.data.transforms.base import Apply, Setting, Transform, image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netspec.data.transforms.base import Array, Draw


Positive = Annotated[float, Field(ge=0)]
Range = Annotated[Listed[Positive], Field(min_length=1, max_length=2), AfterValidator(rising)]
"""A number, or [least, largest]."""

LUMA = (0.299, 0.587, 0.114)
"""The shares of red, green and blue in grey. Source: ITU-R BT.601, as in Pillow and torchvision."""


class WhiteError(DataError):
    """Images have values below black or above white, which a transform between the two would cut off."""

    code = "NS676"
    field = "white"


_NEARLY = 1e-3
"""The share of white by which a value may miss black or white, as sums that are rounded do."""


class PixelTransform(Transform):
    """A change of pixel values of images, in TRAIN only, with a probability."""

    random: ClassVar[bool] = True

    probability: Annotated[float, Aka("p", "prob")] = Field(
        1.0, ge=0, le=1, description="The share of the images that are changed."
    )

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it is not an image."""
        return image(shape, type(self).__name__)

    def bind(self, setting: Setting) -> Apply:
        """The images that are drawn, changed, among copies of the others."""

        def as_is(x: Array, draw: Draw) -> Array:
            return x

        def some(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            chosen = draw.uniform(f"{setting.stream} chosen") < self.probability
            y = x.copy()
            if chosen.any():
                some = draw.some(chosen)
                with placed(self.written):
                    y[chosen] = self.changed(x[chosen], some, setting.stream)
            return y

        return some if setting.phase == "TRAIN" else as_is

    def changed(self, x: Array, draw: Draw, stream: str) -> Array:
        """The changed images; x and result: (N, C, H, W) of one type."""
        raise NotImplementedError


def between(draw: Draw, purpose: str, bounds: tuple[float, ...]) -> NDArray[np.float64]:
    """A number for each sample, (N,), uniform between two bounds, or the one that is given."""
    return bounds[0] + (bounds[-1] - bounds[0]) * draw.uniform(purpose)


def factors(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Numbers of samples, (N,), as factors of images: (N, 1, 1, 1)."""
    import numpy as np

    return numbers.astype(np.float32)[:, None, None, None]


def white_of(x: Array, white: float | None) -> float:
    """The value of white: the one given, or the largest of bytes and of 16 bits, or 1. Raises WhiteError."""
    import numpy as np

    if white is None and x.dtype.kind in "iu" and x.dtype not in (np.uint8, np.uint16):
        raise WhiteError(f"images are {x.dtype} here, of which nobody knows the value of white", help="say `white:`")
    if white is not None and x.dtype.kind in "iu" and white > np.iinfo(x.dtype).max:
        raise WhiteError(f"`white` is {white:g}, but images are {x.dtype} here", help="leave `white` out")
    found = white if white is not None else float(np.iinfo(x.dtype).max) if x.dtype.kind in "iu" else 1.0
    least, most = float(x.min()), float(x.max())
    if least < -_NEARLY * found or most > (1 + _NEARLY) * found:
        beyond = least if least < -_NEARLY * found else most
        help = "say `white: 255`, or what it is" if least >= 0 else "write this transform above the one that subtracts"
        raise WhiteError(f"an image has the value {beyond:g}, but black is 0 and white is {found:g}", help=help)
    return found


def as_stored(y: Array, x: Array, white: float) -> Array:
    """Values between black and white, in the type of x; rounded where that holds whole numbers."""
    import numpy as np

    y = np.clip(y, 0, white)
    return (np.rint(y) if x.dtype.kind in "iu" else y).astype(x.dtype)


def grey_of(x: Array) -> Array:
    """The grey of images (N, 3, H, W), or of images that are grey (N, 1, H, W): (N, 1, H, W) in float32."""
    import numpy as np

    if x.shape[1] == 1:
        return x.astype(np.float32)
    r, g, b = (np.float32(share) for share in LUMA)
    grey: Array = (r * x[:, 0] + g * x[:, 1] + b * x[:, 2])[:, None]
    return grey.astype(np.float32)


def colours(shape: Shape, what: str) -> tuple[int, int, int]:
    """(C, H, W) of an image with three channels, or one. Raises ShapeError."""
    c, h, w = image(shape, what)
    if c not in {1, 3}:
        raise ShapeError(f"{what} takes images of red, green and blue, or grey ones, but these have {c} channels")
    return c, h, w
