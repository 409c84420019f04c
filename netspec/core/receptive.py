"""Receptive fields: the region of the input that one value of a blob depends on, and where that region lies.

Along an axis, the value at position i that is reached by one path sees the input from first + i * stride to
last + i * stride. Paths of equal stride are one path from the smallest first to the largest last. Padding is not
clipped off. Source: Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """A receptive field in numbers, each for (height, width).

    `size` is the largest of the blob's values; inf is the whole image. `stride` is the distance between the regions of
    neighbours, 0 where all see the whole image; the largest where paths differ. `start` is where the region of the
    first value begins, negative in the padding, -inf for the whole image.
    """

    size: tuple[float, float]
    stride: tuple[float, float]
    start: tuple[float, float]


class ReceptiveField(NamedTuple):
    """The receptive field of every value of a blob: its reach along the image's height and width."""

    rows: Reach
    columns: Reach

    def through(self, windows: Iterable[Sequence[int]]) -> ReceptiveField:
        """The field behind a window for each axis: (kernel, stride, pad, dilation)."""
        rows, columns = (_through(reach, *window) for reach, window in zip(self, windows, strict=True))
        return ReceptiveField(rows, columns)

    def whole(self, height: bool, width: bool) -> ReceptiveField:
        """The field widened to the whole of the image's height, width or both."""
        return ReceptiveField(ALL if height else self.rows, ALL if width else self.columns)

    def shifted(self, axis: int, places: int) -> ReceptiveField:
        """The field of a blob whose position 0 along an axis, 2 or 3, is this blob's position `places`."""
        moved = [Path(s, first + places * s, last + places * s) for s, first, last in self[axis - 2]]
        return self._replace(**{"rows" if axis == 2 else "columns": _merged(moved)})

    def over(self, shape: Shape) -> Region:
        """The field in numbers, for a blob of a shape; a blob without height and width has one position."""
        height, width = shape[2:] if len(shape) == 4 else (1, 1)
        return Region(*zip(_numbers(self.rows, height), _numbers(self.columns, width), strict=True))


POINT = ReceptiveField((Path(1, 0, 0),), (Path(1, 0, 0),))
"""Receptive field of a value of an image: the value itself."""

NOTHING_SEEN = ReceptiveField((), ())
"""Receptive field of a value without a place in an image, like a label."""


def union(bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field of a value that depends on the values at its own position in every bottom.

    Beside an image, a bottom without height and width adds the whole image, or nothing if it is not made of one.
    """
    image = any(len(shape) == 4 for shape in bottoms)
    placed = [
        field if len(shape) == 4 or not image else field.whole(bool(field.rows), bool(field.columns))
        for shape, field in zip(bottoms, fields, strict=True)
    ]
    return ReceptiveField(
        _merged(path for field in placed for path in field.rows),
        _merged(path for field in placed for path in field.columns),
    )


def _through(reach: Reach, kernel: int, stride: int, pad: int, dilation: int) -> Reach:
    return _merged(
        Path(step * stride, first - pad * step, last + ((kernel - 1) * dilation - pad) * step)
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
