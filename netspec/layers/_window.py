"""Base of Convolution and Pooling: the kernel, stride and pad of windows, square or per axis.

Source: Caffe's *_h and *_w fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import Window
from netspec.layers.base import Layer


class Meeting(NamedTuple):
    """A tap of a window that lies on a pixel of the image, along one axis."""

    window: int
    tap: int
    pixel: int


_MEASURES = ("kernel", "stride", "pad")


class Windowed(Layer):
    """A layer that moves a window over height and width."""

    kernel_size: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("filter_size", "kernel", "pool_size", "size")] = (
        Field((), description="Window height and width, F: one number, or [height, width].", max_length=2)
    )
    kernel_h: int | None = Field(None, gt=0, description="Window height, instead of kernel_size.")
    kernel_w: int | None = Field(None, gt=0, description="Window width, instead of kernel_size.")
    stride: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("strides")] = Field(
        (), description="Step between windows, S (default 1).", max_length=2
    )
    stride_h: int | None = Field(None, gt=0, description="Vertical step, instead of stride.")
    stride_w: int | None = Field(None, gt=0, description="Horizontal step, instead of stride.")
    pad: Annotated[Listed[Annotated[int, Field(ge=0)]], Aka("padding")] = Field(
        (), description="Zeros around the image, P (default 0).", max_length=2
    )
    pad_h: int | None = Field(None, ge=0, description="Zeros above and below, instead of pad.")
    pad_w: int | None = Field(None, ge=0, description="Zeros left and right, instead of pad.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        for name, both in (("kernel", self.kernel_size), ("stride", self.stride), ("pad", self.pad)):
            h, w = getattr(self, f"{name}_h"), getattr(self, f"{name}_w")
            split = f"{name}_h" if h is not None else f"{name}_w"
            if both and (h is not None or w is not None):
                field = "kernel_size" if name == "kernel" else name
                raise wrong(f"`{field}` and `{name}_h`/`{name}_w` exclude each other", field=split)
            if (h is None) != (w is None):
                raise wrong(f"`{name}_h` and `{name}_w` go together", field=split)
        return self

    def identity(self) -> dict[str, Any]:
        """Height and width of the window's measures, in whichever way they are written; steps of 1 are left out."""
        fields = super().identity()
        measured = {"kernel_size", "dilation", *(f"{name}{end}" for name in _MEASURES for end in ("", "_h", "_w"))}
        measures = zip(Window._fields, *self.axes(fields.get("dilation", ())), Window(0), strict=True)
        window = {name: (h, w) for name, h, w, usual in measures if {h, w} != {usual}}
        return {name: value for name, value in fields.items() if name not in measured} | {"window": window}

    def axes(self, dilation: tuple[int, ...] = ()) -> tuple[Window, Window]:
        """The vertical and the horizontal axis; the kernel is 0 where the net gives none."""
        kernel = _pick(self.kernel_size, self.kernel_h, self.kernel_w, 0)
        stride = _pick(self.stride, self.stride_h, self.stride_w, 1)
        pad = _pick(self.pad, self.pad_h, self.pad_w, 0)
        spread = _pick(dilation, None, None, 1)
        return Window(kernel[0], stride[0], pad[0], spread[0]), Window(kernel[1], stride[1], pad[1], spread[1])


def _pick(both: tuple[int, ...], h: int | None, w: int | None, default: int) -> tuple[int, int]:
    if h is not None and w is not None:
        return h, w
    return (both[0], both[-1]) if both else (default, default)


def meetings(size: int, windows: int, axis: Window) -> Iterator[Meeting]:
    """The taps of windows that lie on the `size` pixels of an axis; taps in the padding are left out."""
    kernel, stride, pad, dilation = axis
    for window in range(windows):
        for tap in range(kernel):
            pixel = window * stride - pad + tap * dilation
            if 0 <= pixel < size:
                yield Meeting(window, tap, pixel)
