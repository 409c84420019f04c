"""Windows laid out as channels, and back: each tap's plane is a row of shifted lines."""

from __future__ import annotations

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Vector
from netspec.codegen.simd import clear_run
from netspec.kernels.conv_geometry import Columns


@helper
def reach(columns: Columns, tap: int) -> tuple[int, int, int]:
    """(shift, first, last): windows `first` up to `last` of a line meet place window*stride + shift with a tap."""
    shift, stride = tap * columns.dilation - columns.pad, columns.stride
    first = max(0, (stride - 1 - shift) // stride) if shift < 0 else 0
    last = max(0, (columns.width - shift + stride - 1) // stride)
    return shift, min(first, columns.windows), max(min(first, columns.windows), min(last, columns.windows))


@kernel
def im2col_forward(x: Vector, y: Vector, table: Clock, columns: Columns, part: int, parts: int) -> None:
    """x: (M, lines, width), y: (M, T, taps, L, windows), table: (L, T), the line that a leading tap meets, or -1.

    M counts planes, T taps along the leading axes, L windows along them. A part writes planes of y.
    """
    t, number = table.size // columns.places, columns.windows
    for unit in range(*span(y.size // (columns.places * number), part, parts)):
        plane, leading = unit // (t * columns.taps), unit // columns.taps % t
        shift, first, last = reach(columns, unit % columns.taps)
        for place in range(columns.places):
            line, to = table[place * t + leading], (unit * columns.places + place) * number
            if line < 0:
                clear_run(y, to, number)
                continue
            clear_run(y, to, first)
            frm = (plane * columns.lines + line) * columns.width + shift
            for j in range(first, last):
                y[to + j] = x[frm + j * columns.stride]
            clear_run(y, to + last, number - last)


@kernel
def im2col_backward(dy: Vector, dx: Vector, table: Clock, columns: Columns, part: int, parts: int) -> None:
    """dx: (M, lines, width) = the sums of what dy (M, T, taps, L, windows) holds of each place. A part owns planes."""
    t, number, size = table.size // columns.places, columns.windows, columns.lines * columns.width
    for plane in range(*span(dx.size // size, part, parts)):
        clear_run(dx, plane * size, size)
        for tap in range(t * columns.taps):
            shift, first, last = reach(columns, tap % columns.taps)
            unit = plane * t * columns.taps + tap
            for place in range(columns.places):
                line, frm = table[place * t + tap // columns.taps], (unit * columns.places + place) * number
                if line >= 0:
                    to = (plane * columns.lines + line) * columns.width + shift
                    for j in range(first, last):
                        dx[to + j * columns.stride] += dy[frm + j]
