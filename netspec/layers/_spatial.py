"""Base of layers whose windows move over all axes behind the channels: `axis`, `dilation`, output sizes.

Source: Caffe base_conv_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window, axis_of, convolved, convolved_text
from netspec.layers._window import Windowed
from netspec.layers.base import BatchAxes


class Spatial(Windowed):
    """A layer that moves windows over the spatial axes, those behind the channels; axes before them are the batch."""

    action: ClassVar[str] = "a convolution"
    """What it does, in the words of an error."""

    dilation: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("dilation_rate")] = Field(
        (), description="Distance between filter taps, D (default 1); one number, or one for each axis."
    )
    axis: Annotated[int, Aka("dim")] = Field(
        1,
        description="Axis of the channels; those before it are the batch, those behind it spatial, none or any number.",
    )
    force_nd_im2col: bool = Field(
        False, description="For Caffe's sake, where it chooses a slower way to compute; it changes nothing."
    )

    @model_validator(mode="after")
    def _sized(self, info: ValidationInfo[dict[str, bool] | None]) -> Spatial:
        """Refuse a filter without a size; of a prototxt the shape of the bottom tells whether it needs one."""
        sized = self.kernel_size or self.kernel_h is not None
        if not sized and self.axis == 1 and not (info.context and info.context["caffe"]):
            raise wrong("the filter has no size", help="give `kernel_size`, or `kernel_h` and `kernel_w`")
        return self

    def identity(self) -> dict[str, object]:
        """Without `force_nd_im2col`, which changes nothing."""
        return {name: value for name, value in super().identity().items() if name != "force_nd_im2col"}

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    def cut(self, x: Shape) -> tuple[Shape, int, Shape]:
        """(axes of the batch, channels, spatial axes) of a bottom. Raises ShapeError."""
        if len(x) < 2 and self.axis == 1:
            raise ShapeError(f"{self.action} reads N x C x spatial axes, not {{bottom[0]}}", field="bottom.0")
        axis = axis_of(self.axis, x)
        return x[:axis], x[axis], x[axis + 1 :]

    def windows(self, x: Shape) -> tuple[Window, ...]:
        """The window along each spatial axis of a bottom. Raises ShapeError."""
        _, _, spatial = self.cut(x)
        windows = self.axes(len(spatial), self.dilation)
        if any(window.kernel == 0 for window in windows):
            raise ShapeError("the filter has no size", help="give `kernel_size`, or `kernel_h` and `kernel_w`")
        return windows

    def convolved(self, x: Shape) -> Shape:
        """The number of windows along each spatial axis. Raises ShapeError where there is none."""
        _, _, spatial = self.cut(x)
        windows = self.windows(x)
        sizes = tuple(convolved(size, *window) for size, window in zip(spatial, windows, strict=True))
        for i, (size, count) in enumerate(zip(spatial, sizes, strict=True)):
            if count < 1:
                kernel, _, pad, dilation = windows[i]
                field = "kernel_size" if self.kernel_size else f"kernel_{'hw'[i]}"
                raise ShapeError(
                    f"the filter is {dilation * (kernel - 1) + 1} wide, but {{bottom[0]}} with its padding only "
                    f"{size + 2 * pad}",
                    field=field,
                )
        return sizes

    def channels_last(self, x: Shape) -> bool:
        """Whether blobs of a shape lie in memory with channels last: images, whose channels are axis 1."""
        return len(x) == 4 and self.axis == 1

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """(28+2*0-5)/1+1 = 24, for each axis where they differ."""
        _, _, spatial = self.cut(bottoms[0])
        pairs = zip(spatial, self.windows(bottoms[0]), strict=True)
        return once([convolved_text(size, *window) for size, window in pairs])

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The bottom's batch axis, where it is before the channels."""
        channels = axis_of(self.axis, bottoms[0])
        axis = next((axis for axis in axes if axis is not None), None)
        return (axis if axis is not None and axis < channels else None,) * len(self.top_names())

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the window; the whole of an image's axis that holds the channels."""
        axis, field = axis_of(self.axis, bottoms[0]), union(bottoms, fields)
        if axis == 0:
            return field.whole(*(True for _ in field.axes))
        windows = self.windows(bottoms[0])
        seen = self._behind(field, (Window(1),) * (axis - 1) + windows)
        return seen.whole(*(i == axis - 2 for i in range(len(seen.axes)))) if axis > 1 else seen

    def _behind(self, field: ReceptiveField, windows: Sequence[Window]) -> ReceptiveField:
        return field.through(windows) if windows else field


def once(words: Sequence[str]) -> str:
    """The arithmetic of all axes, written once where they agree."""
    return words[0] if len({*words}) == 1 else ", ".join(words)
