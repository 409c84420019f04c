"""Base of layers that move a window: its kernel, stride and pad, one for all spatial axes or one for each.

Source: Caffe's repeated fields, and its *_h and *_w fields for two axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import Window, each_axis
from netspec.layers.base import Layer


class Meeting(NamedTuple):
    """A tap of a window that lies on a pixel of the image, along one axis."""

    window: int
    tap: int
    pixel: int


_MEASURES = ("kernel", "stride", "pad")


class Windowed(Layer):
    """A layer that moves a window over the spatial axes of a blob."""

    kernel_size: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("filter_size", "kernel", "pool_size", "size")] = (
        Field((), description="Size of the window, F: one number, or one for each spatial axis: [height, width].")
    )
    kernel_h: int | None = Field(None, gt=0, description="Window height, instead of kernel_size.")
    kernel_w: int | None = Field(None, gt=0, description="Window width, instead of kernel_size.")
    stride: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("strides")] = Field(
        (), description="Step between windows, S (default 1); one number, or one for each axis."
    )
    stride_h: int | None = Field(None, gt=0, description="Vertical step, instead of stride.")
    stride_w: int | None = Field(None, gt=0, description="Horizontal step, instead of stride.")
    pad: Annotated[Listed[Annotated[int, Field(ge=0)]], Aka("padding")] = Field(
        (), description="Zeros around the image, P (default 0); one number, or one for each axis."
    )
    pad_h: int | None = Field(None, ge=0, description="Zeros above and below, instead of pad (0 beside a pad_w).")
    pad_w: int | None = Field(None, ge=0, description="Zeros left and right, instead of pad (0 beside a pad_h).")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        for name, both in (("kernel", self.kernel_size), ("stride", self.stride), ("pad", self.pad)):
            h, w = getattr(self, f"{name}_h"), getattr(self, f"{name}_w")
            split = f"{name}_h" if h is not None else f"{name}_w"
            if both and (h is not None or w is not None):
                field = "kernel_size" if name == "kernel" else name
                raise wrong(f"`{field}` and `{name}_h`/`{name}_w` exclude each other", field=split)
            if (h is None) != (w is None) and name != "pad":
                raise wrong(f"`{name}_h` and `{name}_w` go together", field=split)
        return self

    def identity(self) -> dict[str, Any]:
        """The measures of the window along each axis, in whichever way they are written; usual ones are left out."""
        fields = super().identity()
        measured = {"kernel_size", "dilation", *(f"{name}{end}" for name in _MEASURES for end in ("", "_h", "_w"))}
        measures = zip(Window._fields, self._measures(fields.get("dilation", ())), Window(0), strict=True)
        window = {name: _pair(values) for name, (_, values), usual in measures if {*values} != {usual}}
        return {name: value for name, value in fields.items() if name not in measured} | {"window": window}

    def axes(self, number: int, dilation: tuple[int, ...] = ()) -> tuple[Window, ...]:
        """The window along each of a number of spatial axes; the kernel is 0 where the net gives none.

        Raises ShapeError where a measure is given for another number of axes.
        """
        measures = self._measures(dilation)
        along = (each_axis(values, number, field) for field, values in measures)
        return tuple(map(Window, *along))

    def _measures(self, dilation: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
        """Kernel, stride, pad and dilation, each with the field that says it: one number, or one for each axis."""
        found = []
        for name, usual in zip(_MEASURES, Window(0), strict=False):
            field = "kernel_size" if name == "kernel" else name
            h, w = getattr(self, f"{name}_h"), getattr(self, f"{name}_w")
            split = h is not None or w is not None
            found.append(
                (f"{name}_h", (h or usual, w or usual)) if split else (field, getattr(self, field) or (usual,))
            )
        return [*found, ("dilation", dilation or (1,))]


def _pair(values: tuple[int, ...]) -> tuple[int, ...]:
    """A measure as an identity has it: twice the number that holds for all axes, or one for each."""
    return (values[0],) * 2 if len({*values}) == 1 else values


def meetings(size: int, windows: int, axis: Window) -> Iterator[Meeting]:
    """The taps of windows that lie on the `size` pixels of an axis; taps in the padding are left out."""
    kernel, stride, pad, dilation = axis
    for window in range(windows):
        for tap in range(kernel):
            pixel = window * stride - pad + tap * dilation
            if 0 <= pixel < size:
                yield Meeting(window, tap, pixel)
