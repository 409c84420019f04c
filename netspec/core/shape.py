"""Shapes, and output sizes of windows: as numbers, and as the arithmetic that `inspect` prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple, TypeVar

from netspec.core.errors import SpecError

T = TypeVar("T")

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]

ANY = -1
"""A size that differs from sample to sample, in the shape of samples of data."""

FLOAT_BYTES = {"float32": 4, "float64": 8}


class ShapeError(SpecError):
    """A layer cannot take the shapes it is given.

    The text may contain `{bottom[0]}`, which the shape pass replaces by the blob's name, shape and producer; a name
    in the text goes through `unfilled` first. `field` is the layer's field to point at (a list index follows it after a
    dot); without it the error points at the layer.
    """

    code = "NS310"

    def __init__(self, message: str, *, field: str | None = None, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.field = field


_GAP = re.compile(r"\{(?:\{|bottom\[\d+\]\})")


def unfilled(name: str) -> str:
    """A name as the text of a ShapeError has it: a `{bottom[0]}` in it stays as it is."""
    return name.replace("{", "{{")


def filled(text: str, bottoms: Sequence[str]) -> str:
    """The text of a ShapeError with the words for bottom i in place of `{bottom[i]}`, and { for {{."""
    words = {"{{": "{"} | {f"{{bottom[{i}]}}": word for i, word in enumerate(bottoms)}
    return _GAP.sub(lambda gap: words.get(gap[0], gap[0]), text)


def count(shape: Iterable[int]) -> int:
    """Number of values in an array of a shape; 1 for a scalar."""
    return prod(shape)


def text(shape: Shape) -> str:
    """(64, 1, 28, 28) -> 64x1x28x28; (3, ANY, ANY) -> 3x?x?; a scalar is 'scalar'."""
    return "x".join("?" if size == ANY else str(size) for size in shape) if shape else "scalar"


CHANNELS_FIRST = "channels come first: array.transpose(0, 3, 1, 2)"
"""Help for data whose samples are (H, W, C)."""


def channels_last(sample: Shape) -> bool:
    """Whether a sample looks like an image (H, W, C)."""
    return len(sample) == 3 and sample[2] in {1, 3, 4} and sample[0] not in {1, 3, 4}


def axis_of(axis: int, shape: Shape, field: str = "axis") -> int:
    """The axis counted from the front. Raises ShapeError when the shape has no such axis."""
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"axis {axis} does not exist in {{bottom[0]}}", field=field)
    return axis % len(shape)


def each_axis(values: Sequence[T], number: int, field: str, kind: str = "spatial") -> tuple[T, ...]:
    """One value for each of a number of axes, where one was given for all or one for each.

    Raises ShapeError where `field` has another number of values; `kind` says what the axes are.
    """
    if len(values) not in {1, number}:
        given, axes = counted(len(values), "axis", "axes"), counted(number, f"{kind} axis", f"{kind} axes")
        text = f"`{field}` is given for {given}, but {{bottom[0]}} has {axes}"
        raise ShapeError(text, field=field, help="one number holds for all axes")
    return tuple(values) * (number if len(values) == 1 else 1)


def convolved(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Output size (N + 2P - F)/S + 1 with C's integer division, F widened by dilation. Source: Caffe conv_layer.cpp."""
    return int((size + 2 * pad - (dilation * (kernel - 1) + 1)) / stride) + 1


def convolved_text(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> str:
    """The arithmetic of `convolved` in words: (28+2*0-5)/1+1 = 24."""
    extent = f"{kernel}" if dilation == 1 else f"({dilation}*({kernel}-1)+1)"
    return f"({size}+2*{pad}-{extent})/{stride}+1 = {convolved(size, kernel, stride, pad, dilation)}"


def pooled(size: int, kernel: int, stride: int, pad: int, ceil: bool = True) -> int:
    """Output size of a pooling layer, rounded up by default.

    With padding, the last window must start inside the image or its leading pad. Source: Caffe pooling_layer.cpp.
    """
    span = size + 2 * pad - kernel
    windows = (-(-span // stride) if ceil else span // stride) + 1
    if pad and (windows - 1) * stride >= size + pad:
        windows -= 1
    return windows


def pooled_text(size: int, kernel: int, stride: int, pad: int, ceil: bool = True) -> str:
    """The arithmetic of `pooled` in words: ceil((24+2*0-2)/2)+1 = 12."""
    word = "ceil" if ceil else "floor"
    result = pooled(size, kernel, stride, pad, ceil)
    unclipped = (-(-(size + 2 * pad - kernel) // stride) if ceil else (size + 2 * pad - kernel) // stride) + 1
    clipped = " - 1 (starts in the padding)" if result != unclipped else ""
    return f"{word}(({size}+2*{pad}-{kernel})/{stride})+1{clipped} = {result}"


class Window(NamedTuple):
    """A window along one axis: its length, the step to the next, zeros at each end of the axis, distance of taps."""

    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1


def counted(count: int, word: str, plural: str | None = None) -> str:
    """A number of things: 1 sample; 2,000 samples; `plural` is a plural without an s."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def per(word: str) -> str:
    """What is counted for one thing: an image; a sample."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def pace(speed: float, unit: str) -> str:
    """Samples a second, which are called `unit`: 7,292 img/s; 310 samples/s."""
    return f"{speed:,.0f} {'img' if unit == 'image' else unit + 's'}/s"


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: 3671 -> 1:01:11."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def same_shape(bottoms: Shapes, what: str) -> Shape:
    """The shape that all bottoms have in common. Raises ShapeError naming the first that differs."""
    for i, shape in enumerate(bottoms):
        if shape != bottoms[0]:
            raise ShapeError(
                f"{what} needs equal shapes, but {{bottom[0]}} and {{bottom[{i}]}} differ", field=f"bottom.{i}"
            )
    return bottoms[0]
