"""Passes of a convolution: for each pixel that is written, which source pixels are read, by which taps.

Forward is one pass; backward to the bottom is one for every phase of the stride. Nothing here computes anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.shape import Shape, count
from netspec.lowering.conv import Conv

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import Windows

PARTS = 16
"""Parts of a step: enough for as many cores, few enough that each has scratch of its own."""
SCRATCH = 49152
"""Values of padded lines that a part holds at a time, so that they stay in the second cache."""


class PassAxis(NamedTuple):
    """One axis of a pass: output i reads source i*step + shift for every shift, and is written at i*stride + place.

    There are `length` outputs. `taps[j]` is the tap of the filter that meets shifts[j]; shifts ascend.
    """

    length: int
    step: int
    shifts: tuple[int, ...]
    taps: tuple[int, ...]
    stride: int = 1
    place: int = 0

    @property
    def first(self) -> int:
        """The first source index that output 0 reads."""
        return self.shifts[0] if self.shifts else 0

    @property
    def extent(self) -> int:
        """Span of the sources that one output reads, from the first to the last."""
        return self.shifts[-1] - self.shifts[0] + 1 if self.shifts else 1

    def outside(self, size: int) -> bool:
        """Whether some output reads outside of a source of this size."""
        return bool(self.shifts) and (self.first < 0 or self.first + (self.length - 1) * self.step + self.extent > size)

    @property
    def together(self) -> bool:
        """Whether the sources that one output reads are adjacent."""
        return all(b - a == 1 for a, b in zip(self.shifts, self.shifts[1:], strict=False))


class Pass(NamedTuple):
    """The pixels that one call writes, and what they read: a vertical and a horizontal axis."""

    y: PassAxis
    x: PassAxis

    def merged(self, groups: int) -> bool:
        """Whether a line of taps reads one contiguous run of the source."""
        return groups == 1 and self.x.together

    def taps(self, width: int) -> tuple[int, ...]:
        """Indices of the taps in a filter with lines of `width` taps, in the order of the source."""
        return tuple(a * width + b for a, b in product(self.y.taps, self.x.taps))


def forward_pass(conv: Conv) -> Pass:
    """The pass of forward: every output reads all taps."""
    _, _, p, q = conv.top
    axes = (
        PassAxis(count, stride, tuple(tap * dilation - pad for tap in range(kernel)), tuple(range(kernel)))
        for count, (kernel, stride, pad, dilation) in zip((p, q), conv.window, strict=True)
    )
    return Pass(*axes)


def bottom_passes(conv: Conv) -> Iterator[Pass]:
    """The passes of backward to the bottom, one for each phase a of the stride.

    Input i with (i + pad) mod stride = a reads the taps f with f*dilation = a (mod stride).
    """
    x = conv.bottom
    for pair in product(*(_phases(size, *axis) for size, axis in zip(x[2:], conv.window, strict=True))):
        if all(axis.length for axis in pair):
            yield Pass(*pair)


def _phases(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Iterator[PassAxis]:
    for a in range(stride):
        taps = tuple(f for f in reversed(range(kernel)) if (f * dilation - a) % stride == 0)
        first = max(0, -((a - pad) // stride))
        last = (size - 1 + pad - a) // stride
        shifts = tuple(first - (f * dilation - a) // stride for f in taps)
        yield PassAxis(last - first + 1, 1, shifts, taps, stride, first * stride + a - pad)


def even(total: int, most: int) -> int:
    """The largest share when `total` is split evenly into the fewest shares of at most `most`."""
    return -(-total // -(-total // max(1, most)))


def padded(columns: int) -> int:
    """Upper bound on the columns of all panels, on any kind of CPU."""
    return -(-columns // 16) * 16 + 16


def flat(blob: Array) -> tuple[Array, int]:
    """(flat values, pitch) of a blob (N, H, W, C), as kernels take it.

    The values run from the blob's first to its last; `pitch` counts them from one pixel to the next. A blob inside a
    wider blob has foreign values between its pixels.
    """
    from numpy.lib.stride_tricks import as_strided

    *sizes, channels = blob.shape
    if blob.flags.c_contiguous:
        return blob, channels
    axis = max(i for i, size in enumerate(sizes) if size > 1)  # an axis of length 1 may have any stride
    pitch = blob.strides[axis] // count(tuple(sizes[axis + 1 :])) // blob.itemsize
    return as_strided(blob, ((count(tuple(sizes)) - 1) * pitch + channels,), (blob.itemsize,)), pitch


def table_of(one: Pass, groups: int, r: int, line: int, pixel: int) -> tuple[tuple[int, ...], int]:
    """(where each run of taps begins in the source, length of a run), both in values.

    `pixel` counts values from one pixel to the next, `line` from one line to the next.
    """
    if not one.x.shifts:
        return (), r
    ys = [(shift - one.y.first) * line for shift in one.y.shifts]
    if one.merged(groups) and pixel == r:
        return tuple(ys), len(one.x.shifts) * r
    return tuple(y + (shift - one.x.first) * pixel for y in ys for shift in one.x.shifts), r


def windows_of(
    one: Pass, shape: Shape, pitch: int, groups: int, block: int, seen: bool = False
) -> tuple[tuple[int, ...], Windows]:
    """(where each run of taps begins in the source, the windows of the pass in it).

    `shape` is the source's N, C, H, W; `block` lines are written at a time. Where the source is `seen` as other
    values than it holds, its lines are copied.
    """
    from netspec.kernels.conv_geometry import Windows

    n, c, h, w = shape
    y, x, r = one.y, one.x, c // groups
    copied = seen or y.outside(h) or x.outside(w)
    reach = (x.length - 1) * x.step + x.extent
    pixel = c if copied else pitch
    table, run = table_of(one, groups, r, (reach if copied else w) * pixel, pixel)
    windows = Windows(
        images=n,
        height=h,
        width=w,
        pitch=pitch,
        groups=groups,
        channels=r,
        top=y.first,
        left=x.first,
        stride_y=y.step,
        stride_x=x.step,
        extent=y.extent,
        reach=reach,
        copied=int(copied),
        runs=len(table),
        run=run,
        lines=y.length,
        block=block,
    )
    return table, windows
