"""Shapes and the arithmetic of windows: how a size comes about, as a number and as the words that `inspect` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, prod
from typing import NamedTuple

from netspec.core.errors import SpecError

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]

FLOAT_BYTES = {"float32": 4, "float64": 8}


class ShapeError(SpecError):
    """A layer cannot take the shapes it is given.

    The text may say `{bottom[0]}`: the shape pass puts the blob's name, shape and producer there. `field` is the layer's
    field to point at (a list index follows it after a dot); without one the layer itself is pointed at.
    """

    code = "NS310"

    def __init__(self, message: str, *, field: str | None = None, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.field = field


def count(shape: Iterable[int]) -> int:
    """Number of values in a shape; 1 for a scalar."""
    return prod(shape)


def text(shape: Shape) -> str:
    """(64, 1, 28, 28) -> 64x1x28x28; a scalar is 'scalar'."""
    return "x".join(map(str, shape)) if shape else "scalar"


def axis_of(axis: int, shape: Shape, field: str = "axis") -> int:
    """The axis counted from the front. Raises ShapeError when the shape has no such axis."""
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"axis {axis} does not exist in {{bottom[0]}}", field=field)
    return axis % len(shape)


def convolved(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """(N + 2P - F)/S + 1 with C's integer division, F widened by dilation. Source: Caffe conv_layer.cpp."""
    return int((size + 2 * pad - (dilation * (kernel - 1) + 1)) / stride) + 1


def convolved_text(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> str:
    """The same as words: (28+2*0-5)/1+1 = 24."""
    extent = f"{kernel}" if dilation == 1 else f"({dilation}*({kernel}-1)+1)"
    return f"({size}+2*{pad}-{extent})/{stride}+1 = {convolved(size, kernel, stride, pad, dilation)}"


def pooled(size: int, kernel: int, stride: int, pad: int, ceil: bool = True) -> int:
    """Windows of a pooling layer: rounded up by default; with padding the last must start inside. Source: Caffe pooling_layer.cpp."""
    span = size + 2 * pad - kernel
    windows = (-(-span // stride) if ceil else span // stride) + 1
    if pad and (windows - 1) * stride >= size + pad:
        windows -= 1
    return windows


def pooled_text(size: int, kernel: int, stride: int, pad: int, ceil: bool = True) -> str:
    """The same as words: ceil((24+2*0-2)/2)+1 = 12."""
    word = "ceil" if ceil else "floor"
    result = pooled(size, kernel, stride, pad, ceil)
    unclipped = (-(-(size + 2 * pad - kernel) // stride) if ceil else (size + 2 * pad - kernel) // stride) + 1
    clipped = " - 1 (starts in the padding)" if result != unclipped else ""
    return f"{word}(({size}+2*{pad}-{kernel})/{stride})+1{clipped} = {result}"


class Window(NamedTuple):
    """A window along one axis: its length, the step to the next, the zeros before and after the axis, and the distance of its taps."""

    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """How high and wide the part of the net's input is that one value of a blob depends on, and how far the parts of neighbours lie apart.

    Theoretical: padding is not clipped off. inf is the whole image, whose stride is 0. Source: Araujo et al. 2019.
    """

    size: tuple[float, float]
    stride: tuple[float, float]

    def through(self, window: Iterable[Sequence[int]]) -> ReceptiveField:
        """Seen through a window of (kernel, stride, pad, dilation) along each axis: size + (kernel-1)*dilation*stride."""
        (kh, sh, _, dh), (kw, sw, _, dw) = window
        (h, w), (y, x) = self
        return ReceptiveField((h + (kh - 1) * dh * y, w + (kw - 1) * dw * x), (y * sh, x * sw))

    def whole(self, height: bool, width: bool) -> ReceptiveField:
        """With the whole of the image's height, width or both."""
        (h, w), (y, x) = self
        return ReceptiveField((inf if height else h, inf if width else w), (0 if height else y, 0 if width else x))


POINT = ReceptiveField((1, 1), (1, 1))
"""What a value of the input sees: itself."""


def widest(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The larger size and stride of several fields; a point where there are none."""
    if len(fields) < 2:
        return fields[0] if fields else POINT
    sizes, strides = zip(*fields, strict=True)
    (h, w), (y, x) = ((max(each[0] for each in both), max(each[1] for each in both)) for both in (sizes, strides))
    return ReceptiveField((h, w), (y, x))


def clock(seconds: float) -> str:
    """3671 -> 1:01:11."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
