"""Receptive fields: the region of the input that one value of a blob depends on, and where that region lies.

Along an axis, the value at position i that is reached by one path sees the input from first + i * stride to
last + i * stride. Paths of equal stride are one path from the smallest first to the largest last. Padding is not
clipped off. An image is seen from the Input on; lines and volumes, which may also be sequences, from the first window
that moves along them. Source: Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import inf
from typing import NamedTuple

from netspec.core.shape import Shape, Shapes


class Path(NamedTuple):
    """What the value at position 0 sees along an axis, and how far the next value's view is from it."""

    stride: float
    first: float
    last: float


Reach = tuple[Path, ...]
"""The paths to a value along an axis, of different strides; none where it sees nothing of an image."""

ALL: Reach = (Path(0, -inf, inf),)


class Region(NamedTuple):
    """A receptive field in numbers, each for (height, width), or for the axes of a line or volume.

    `size` is the largest of the blob's values; inf is the whole image. `stride` is the distance between the regions of
    neighbours, 0 where all see the whole image; the largest where paths differ. `start` is where the region of the
    first value begins, negative in the padding, -inf for the whole image.
    """

    size: tuple[float, ...]
    stride: tuple[float, ...]
    start: tuple[float, ...]


class ReceptiveField(NamedTuple):
    """The receptive field of every value of a blob: its reach along each axis of the image."""

    axes: tuple[Reach, ...]

    def through(self, windows: Sequence[Sequence[int]]) -> ReceptiveField:
        """The field behind a window for each axis: (kernel, stride, pad, dilation)."""
        pairs = zip(self._over(len(windows)), windows, strict=True)
        return ReceptiveField(tuple(_through(reach, *window) for reach, window in pairs))

    def against(self, windows: Sequence[Sequence[int]]) -> ReceptiveField:
        """The field behind windows that write instead of reading, as a deconvolution's do."""
        pairs = zip(self._over(len(windows)), windows, strict=True)
        return ReceptiveField(tuple(_against(reach, *window) for reach, window in pairs))

    @property
    def seen(self) -> bool:
        """Whether it sees any of an image."""
        return any(self.axes)

    def _over(self, number: int) -> tuple[Reach, ...]:
        """The reach along a number of axes: of a line or volume it begins here, where there was no other image."""
        if len(self.axes) == number:
            return self.axes
        return ((ALL if self.seen else _HERE),) * number

    def whole(self, *axes: bool) -> ReceptiveField:
        """The field widened to the whole of some axes, in their order; to all where it has another number of axes."""
        if len(axes) != len(self.axes):
            return ReceptiveField((ALL,) * len(self.axes)) if any(axes) else self
        return ReceptiveField(tuple(ALL if all_of else reach for all_of, reach in zip(axes, self.axes, strict=True)))

    def magnified(self, *factors: float) -> ReceptiveField:
        """The field of a blob whose neighbours lie so many times as far apart: half as far where it is enlarged by 2.

        Where that is no whole number, the beginning of a value's region is right to within one position.
        """
        apart = zip(self._over(len(factors)), factors, strict=True)
        return ReceptiveField(tuple(_merged(Path(s * f, *ends) for s, *ends in reach) for reach, f in apart))

    def shifted(self, axis: int, places: int) -> ReceptiveField:
        """The field of a blob whose position 0 along an axis, 2 or more, is this blob's position `places`."""
        moved = [Path(s, first + places * s, last + places * s) for s, first, last in self.axes[axis - 2]]
        return ReceptiveField((*self.axes[: axis - 2], _merged(moved), *self.axes[axis - 1 :]))

    def over(self, shape: Shape) -> Region:
        """The field in numbers, for a blob of a shape; a blob of other axes than the image's has one position."""
        lengths = shape[2:] if len(shape) == 2 + len(self.axes) else (1,) * len(self.axes)
        numbers = [_numbers(reach, length) for reach, length in zip(self.axes, lengths, strict=True)]
        return Region(*zip(*numbers, strict=True))


_HERE: Reach = (Path(1, 0, 0),)

POINT = ReceptiveField((_HERE, _HERE))
"""Receptive field of a value of an image: the value itself."""

NOTHING_SEEN = ReceptiveField(((), ()))
"""Receptive field of a value without a place in an image, like a label."""


def union(bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field of a value that depends on the values at its own position in every bottom.

    Beside an image, a bottom without its axes adds the whole image, or nothing if it is not made of one.
    """
    most = max((len(field.axes) for field in fields if field.seen), default=2)
    image = any(len(shape) == 2 + most for shape in bottoms)
    placed = [
        field if len(shape) == 2 + most or not image else field.whole(*(bool(reach) for reach in field.axes))
        for shape, field in zip(bottoms, fields, strict=True)
    ]
    reaches = zip_longest(*(field.axes for field in placed if field.seen), fillvalue=())
    return ReceptiveField(tuple(_merged(path for reach in axis for path in reach) for axis in reaches) or ((), ()))


def _through(reach: Reach, kernel: int, stride: int, pad: int, dilation: int) -> Reach:
    return _merged(
        Path(step * stride, first - pad * step, last + ((kernel - 1) * dilation - pad) * step)
        for step, first, last in reach
    )


def _against(reach: Reach, kernel: int, stride: int, pad: int, dilation: int) -> Reach:
    """Position i is written by the positions (i + pad - tap*dilation) / stride that are whole, of which some see most.

    Those lie evenly around (i + pad - (kernel-1)*dilation/2) / stride.
    """
    span = (kernel - 1) * dilation
    middle, half = (pad - span / 2) / stride, span // stride / 2
    return _merged(
        Path(step / stride, first + (middle - half) * step, last + (middle + half) * step)
        for step, first, last in reach
    )


def _merged(paths: Iterable[Path]) -> Reach:
    """Paths with one of each stride; the whole image holds all others."""
    held: dict[float, Path] = {}
    for path in paths:
        other = held.get(path.stride, path)
        held[path.stride] = Path(path.stride, min(path.first, other.first), max(path.last, other.last))
    return ALL if ALL[0] in held.values() else tuple(held.values())


def _numbers(reach: Reach, length: int) -> tuple[float, float, float]:
    """(size, stride, start) along an axis of a length. The size of a union is largest at one of the axis' ends."""
    if not reach:
        return 1, 1, 0
    ends = [
        (min(p.first + at * p.stride for p in reach), max(p.last + at * p.stride for p in reach))
        for at in (0, length - 1)
    ]
    size = max(last - first for first, last in ends) + 1
    return size, max(path.stride for path in reach), ends[0][0]
