"""Mirror: left and right change places in half of the images, in TRAIN. Source: Caffe's transform_param.mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netspec.core.shape import Shape
from netspec.data.transforms.base import Apply, Setting, Transform, image

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Mirror(Transform):
    """Flip an image horizontally, with probability 1/2, in TRAIN only.

    Caffe flips at random in TEST too, so that each test gives another answer; here TEST shows each image as it is.
    """

    random: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it is not an image."""
        return image(shape, "Mirror")

    def bind(self, setting: Setting) -> Apply:
        """A copy in which the chosen images are flipped."""

        def as_is(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            return x

        def half(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            flipped = draw.uniform(setting.stream) < 0.5
            y = x.copy()
            y[flipped] = x[flipped][..., ::-1]
            return y

        return half if setting.phase == "TRAIN" else as_is
