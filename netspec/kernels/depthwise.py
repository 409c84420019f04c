"""Depthwise convolution of channels-last images: every channel has a filter of its own, so vectors run over channels.

Nothing is padded or gathered: strips (`strips`) read pixels where they lie and count columns outside as zeros; rows outside are left out.
One loop serves forward and backward to the bottom, which with a stride writes the pixels of each phase from the taps that reach them.
Images are flat; `g` holds their sizes, `rows` (source row, taps, first tap) of each line that is written, `phases` what its pixels read:
(count, step, shift, taps, first tap, from tap to tap, stride, place, pixels of a strip, distance of taps). layers/_depthwise.py makes them.
"""

from __future__ import annotations

from netspec.codegen.kernel import Clock, Code, Matrix, Vector, kernel, span
from netspec.codegen.strips import call_grad, call_spot, call_strip
from netspec.codegen.tiles import address
from netspec.kernels.copy import turn

FIELDS = 10
"""Numbers that describe a phase."""


@kernel
def pack(w: Matrix, packed: Matrix, part: int, parts: int) -> None:
    """w: (C, T), packed: (T, C). The filters' taps, channels innermost."""
    c, taps = w.shape
    first, last = span(c, part, parts)
    turn(w.reshape(c * taps), first * taps, taps, packed.reshape(taps * c), first, c, last - first, taps)


@kernel
def strips(
    x: Vector,
    w: Vector,
    bias: Vector,
    y: Vector,
    g: Clock,
    rows: Clock,
    phases: Clock,
    mode: int,
    whole: Code,
    rest: Code,
    other_whole: Code,
    other_rest: Code,
    part: int,
    parts: int,
) -> None:
    """x: (N, H, W, C), w: (Fh*Fw, C), y: (N, P, Q, C). A part writes whole lines of y; there are one or two phases."""
    n, h, width, c, p, q, across, rowstep, tapstep = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8]
    size = y.itemsize
    constant = address(bias, 0) if bias.size else 0
    xs, ws, ys = address(x, 0), address(w, 0), address(y, 0)
    for unit in range(*span(n * p, part, parts)):
        image, line = unit // p, unit % p
        source, taps, tap = rows[3 * line], rows[3 * line + 1], rows[3 * line + 2]
        for phase in range(phases.size // FIELDS):
            at = phase * FIELDS
            count, step, shift, first_tap, next_tap = (
                phases[at],
                phases[at + 1],
                phases[at + 2],
                phases[at + 4],
                phases[at + 5],
            )
            stride, place, pixels = phases[at + 6], phases[at + 7], phases[at + 8]
            done = 0
            for piece in range(2):
                some = count // pixels if piece == 0 else 1 if count % pixels else 0
                code = (rest if piece else whole) if phase == 0 else other_rest if piece else other_whole
                column = done * step + shift
                start = xs + ((image * h + source) * width + column) * c * size
                filters = ws + (tap * across + first_tap) * c * size
                result = ys + (unit * q + place + done * stride) * c * size
                ends = (result, stride * c, constant, mode, c)
                if some:
                    call_strip(
                        code,
                        some,
                        column,
                        width,
                        taps,
                        start,
                        rowstep * width * c,
                        filters,
                        tapstep * across * c,
                        next_tap * c,
                        *ends,
                    )
                done = count // pixels * pixels


@kernel
def spots(
    x: Vector,
    w: Vector,
    bias: Vector,
    y: Vector,
    g: Clock,
    rows: Clock,
    phases: Clock,
    mode: int,
    some: Code,
    one: Code,
    part: int,
    parts: int,
) -> None:
    """As `strips`, for any windows: pixels near the sides one by one from the taps that lie inside, the others several at a time."""
    n, h, width, c, p, q, across, rowstep, tapstep = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8]
    size = y.itemsize
    constant = address(bias, 0) if bias.size else 0
    xs, ws, ys = address(x, 0), address(w, 0), address(y, 0)
    for unit in range(*span(n * p, part, parts)):
        image, line = unit // p, unit % p
        source, taps, tap = rows[3 * line], rows[3 * line + 1], rows[3 * line + 2]
        for phase in range(phases.size // FIELDS):
            at = phase * FIELDS
            count, step, shift, most = phases[at], phases[at + 1], phases[at + 2], phases[at + 3]
            first_tap, next_tap, stride, place = phases[at + 4], phases[at + 5], phases[at + 6], phases[at + 7]
            pixels, apart = phases[at + 8], phases[at + 9]
            o = 0
            while o < count:
                column = o * step + shift
                low = min(most, max(0, (apart - 1 - column) // apart))
                high = max(low, min(most, (width - 1 - column) // apart + 1))
                strip = 1
                if low == 0 and high == most:
                    inside = (width - 1 - (most - 1) * apart - column) // step + 1
                    strip = max(1, min(inside, count - o) // pixels * pixels)
                start = xs + ((image * h + source) * width + column + low * apart) * c * size
                filters = ws + (tap * across + first_tap + low * next_tap) * c * size
                result = ys + (unit * q + place + o * stride) * c * size
                code, times = (some, strip // pixels) if strip >= pixels else (one, 1)
                moves = (start, rowstep * width * c, step * c, apart * c, filters, tapstep * across * c, next_tap * c)
                call_spot(code, times, high - low, taps, *moves, result, stride * c, constant, mode, c)
                o += strip


@kernel
def weight_gradient(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    g: Clock,
    together: int,
    pixels: int,
    whole: Code,
    rest: Code,
    part: int,
    parts: int,
) -> None:
    """x: (N, H, W, C), dy: (N, P, Q, C), pieces: (parts, Fh*Fw*C). A part sums over lines of its own, a few at a time.

    `together` taps of a line are summed at a time: all, columns outside counting as zeros; or one, over the pixels for which it is inside.
    """
    n, h, width, c, p, q = g[0], g[1], g[2], g[3], g[4], g[5]
    down, across, step_y, step_x, pad_y, pad_x, apart_y, apart_x, band = (
        g[6],
        g[7],
        g[8],
        g[9],
        g[10],
        g[11],
        g[12],
        g[13],
        g[14],
    )
    size = dy.itemsize
    total = pieces[part]
    for i in range(total.size):
        total[i] = 0
    xs, dys, gs = address(x, 0), address(dy, 0), address(pieces.reshape(pieces.size), part * pieces.shape[1])
    unit, end = span(n * p, part, parts)
    while unit < end:
        image, begin = unit // p, unit % p
        stop = min(begin + band, p, begin + end - unit)
        for u in range(down):
            shift = u * apart_y - pad_y
            low = max(begin, (step_y - 1 - shift) // step_y)
            lines = min(stop, (h - 1 - shift) // step_y + 1) - low
            for v in range(0, across, together):
                left = v * apart_x - pad_x
                o, last = 0, q
                if together == 1:
                    o, last = max(0, (step_x - 1 - left) // step_x), min(q, (width - 1 - left) // step_x + 1)
                while o < last and lines > 0:
                    some = (last - o) // pixels
                    code, strip = (whole, some * pixels) if some else (rest, last - o)
                    times = some if some else last - o if together == 1 else 1
                    column = o * step_x + left
                    start = xs + ((image * h + low * step_y + shift) * width + column) * c * size
                    diffs = dys + ((image * p + low) * q + o) * c * size
                    places = (start, step_y * width * c, diffs, q * c, gs + (u * across + v) * c * size)
                    call_grad(code, times, column, width, lines, *places, c)
                    o += strip
        unit += stop - begin


@kernel
def join(pieces: Matrix, dw: Matrix, adding: int, part: int, parts: int) -> None:
    """pieces: (pieces, T*C), dw: (C, T). dw = the sum of the pieces in their order, turned; a part owns channels."""
    c, taps = dw.shape
    first, last = span(c, part, parts)
    for t in range(taps):
        total = pieces[0, t * c + first : t * c + last]
        for piece in range(1, pieces.shape[0]):
            more = pieces[piece, t * c + first : t * c + last]
            for i in range(total.size):
                total[i] += more[i]
        for i in range(total.size):
            dw[first + i, t] = dw[first + i, t] + total[i] if adding else total[i]
