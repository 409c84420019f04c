"""ChannelOrder: the channels in another order, such as BGR, in which OpenCV and so Caffe read photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from netspec.core.model import Listed, wrong
from netspec.core.shape import Shape, ShapeError
from netspec.data.transforms.base import Apply, Setting, Transform, image

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


def _letters(value: Any) -> Any:
    """Letters of RGB, such as BGR, as numbers of channels."""
    letters = value.upper() if isinstance(value, str) else ""
    return tuple(map("RGB".index, letters)) if letters and set(letters) <= set("RGB") else value


class ChannelOrder(Transform):
    """Put the channels of an image into another order: by default RGB becomes BGR, and BGR becomes RGB."""

    order: Annotated[Listed[Annotated[int, Field(ge=0)]], BeforeValidator(_letters)] = Field(
        (2, 1, 0),
        min_length=1,
        description="For each channel that comes out, the number of the one it was, from 0; or its letter of RGB: BGR.",
    )

    @field_validator("order")
    @classmethod
    def _each_once(cls, order: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(order) != list(range(len(order))):
            raise wrong(f"an order names each channel from 0 to {len(order) - 1} once", help="like [2, 1, 0]")
        return order

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it has another number of channels."""
        c, h, w = image(shape, "ChannelOrder")
        if c != len(self.order):
            raise ShapeError(f"the order is of {len(self.order)} channels, but the images have {c}", field="order")
        return c, h, w

    def bind(self, setting: Setting) -> Apply:
        """A copy with its channels in the order."""
        order = list(self.order)

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            y: Array = x[:, order]
            return y

        return apply
