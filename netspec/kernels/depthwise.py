"""Depthwise and grouped convolution of channels-last images, vectors along channels, which lie in groups of G.

Depthwise is the case G = 1: every channel has its own filter. Nothing is padded or gathered: strips (`strips`,
`grouped`) read pixels where they lie and count columns outside as zeros; rows outside are left out. One loop serves
forward and backward to the bottom, which with a stride writes the pixels of each phase from the taps that reach them.

Images are flat: x (N, H, W, C) is read, y (N, P, Q, C) is written. Two int64 tables tell what is read: `rows` holds
SourceRows for each line of y, `phases` a Phase for every phase of a line (`conv_geometry`). Filters are packed as w
(Fh*Fw, G, C).

Where x is seen through a lens or a pull, its lines are seen into scratch first, each of them once in a part; strips
read them there. What is left of y for a BatchNorm is taken from a few lines that have just been written.
"""

from __future__ import annotations

from netspec.codegen.intrinsics import bits
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Clock, Matrix, Vector
from netspec.codegen.simd import clear_run
from netspec.codegen.strip_bands import call_band
from netspec.codegen.strip_gradients import Lines, Plane, call_grad, call_window
from netspec.codegen.strip_pixels import Sight
from netspec.codegen.strips import Reading, Spots, Taps, Writing, call_spot, call_strip
from netspec.codegen.tiles import address
from netspec.core.beside import Lens, Pull
from netspec.kernels.conv_geometry import DepthwiseGradient, DepthwiseImages, LinePass, Phase, SourceRows, SpotCodes
from netspec.kernels.copy import turn
from netspec.kernels.seen import Held, Leaving, Seen, hold_lines, is_seen, leave, see_pixels

PHASE, ROWS = len(Phase._fields), len(SourceRows._fields)
"""Numbers of an entry of `phases`, and of `rows`."""
LEFT = 16
"""Least number of pixels of y that are left at a time, but for the last."""


@helper
def phase_at(phases: Clock, i: int) -> Phase:
    """The i-th phase of a line."""
    p = phases[i * PHASE : (i + 1) * PHASE]
    return Phase(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9])


@helper
def rows_of(rows: Clock, line: int) -> SourceRows:
    """The source rows that a line of y reads."""
    return SourceRows(rows[line * ROWS], rows[line * ROWS + 1], rows[line * ROWS + 2])


@helper
def sight_of(lens: Lens) -> Sight:
    """A lens, as codes take it."""
    if not lens.factor.size:
        return Sight(0, 0, 0)
    return Sight(address(lens.factor, 0), address(lens.offset, 0), bits(lens.low))


@helper
def source_lines(
    x: Vector, images: DepthwiseImages, seen: Pull, near: Vector, held: Held, image: int, first: int, last: int
) -> tuple[int, Held]:
    """(address of source row `first`, the lines that `near` holds then); rows up to `last` - 1 lie behind it."""
    line = images.width * images.channels
    if not is_seen(seen) or first >= last:
        return address(x, (image * images.height + first) * line), held
    held = hold_lines(x, images.height, line, images.channels, seen, near, held, image, first, last)
    return address(near, (first - held.low) * line), held


@helper
def last_row(source: SourceRows, images: DepthwiseImages) -> int:
    """One past the last of a line's source rows."""
    return source.row + (source.number - 1) * images.row_step + 1 if source.number else source.row


@helper
def leave_lines(
    y: Vector, images: DepthwiseImages, left: Leaving, part: int, begin: int, unit: int, first: int, last: int
) -> int:
    """Leave the lines of y from `begin` to `unit` - 1 once they are enough; returns the first line that is not left.

    The part owns lines `first` to `last` - 1.
    """
    number = (unit - begin) * images.columns
    if number < LEFT and unit < last:
        return begin
    leave(y, images.channels, images.channels, begin * images.columns, number, left, part, begin == first)
    return unit


@kernel
def pack(w: Matrix, packed: Matrix, part: int, parts: int) -> None:
    """w: (C, T), packed: (T, C) = the filters' T taps, channels innermost. A part owns channels."""
    c, taps = w.shape
    first, last = span(c, part, parts)
    turn(w.reshape(c * taps), first * taps, taps, packed.reshape(taps * c), first, c, last - first, taps)


@kernel
def pack_groups(w: Array3, packed: Array3, turned: int, part: int, parts: int) -> None:
    """w: (C, G, T), packed: (T, G, C) = the filters' T taps, channels innermost. A part owns channels.

    With `turned`, for the bottom's diff, a value's filters and a filter's values change places within each group.
    """
    c, group, taps = w.shape
    first, last = span(c, part, parts)
    for t in range(taps):
        for i in range(group):
            for k in range(first, last):
                packed[t, i, k] = w[k - k % group + i, k % group, t] if turned else w[k, i, t]


@helper
def write_lines(
    start: int, w: Vector, bias: Vector, y: Vector, lines: LinePass, sight: Sight, unit: int, number: int
) -> None:
    """Write lines of y, in strips: one, from the source rows at the address `start`; or a band, of an image there."""
    images, codes, mode, bands = lines.images, lines.codes, lines.mode, lines.bands
    c, width, size, source = images.channels, images.width, y.itemsize, rows_of(lines.rows, unit % images.lines)
    constant, ws, ys = address(bias, 0) if bias.size else 0, address(w, 0), address(y, unit * images.columns * c)
    row, top = images.row_step * width * c, unit % images.lines * bands.stride + bands.top
    for i in range(lines.phases.size // PHASE):
        phase = phase_at(lines.phases, i)
        tap = bands.tap if bands.lines else source.tap
        filters = ws + (tap * images.across + phase.first_tap) * c * images.group * size
        taps = Taps(filters, images.tap_step * images.across * c * images.group, phase.next_tap * c * images.group)
        done = 0
        for piece in range(2):
            some = phase.number // phase.pixels if piece == 0 else 1 if phase.number % phase.pixels else 0
            whole, rest = (codes.whole, codes.rest) if i == 0 else (codes.other_whole, codes.other_rest)
            code, column = rest if piece else whole, done * phase.step + phase.shift
            result, at = ys + (phase.place + done * phase.stride) * c * size, start + column * c * size
            writing = Writing(result, phase.stride * c, constant, mode, c, images.columns * c)
            if some and bands.lines:
                plane = Plane(at, column, width, top, images.height, 1, row)
                call_band(code, some, plane, number, taps, writing, sight)
            elif some:
                call_strip(code, some, Reading(at, column, width, source.number, row), taps, writing, sight)
            done = phase.number // phase.pixels * phase.pixels


@kernel
def strips(
    x: Vector,
    w: Vector,
    bias: Vector,
    y: Vector,
    lines: LinePass,
    seen: Seen,
    left: Leaving,
    part: int,
    parts: int,
) -> None:
    """y = x * w (+ bias), in strips of neighbouring pixels; x, w, y as above, bias: (C,) or empty.

    A part writes whole lines of y, one by one or in bands. There are one or two phases. x is seen as `seen` says; a
    part leaves its own piece.
    """
    images, near, held = lines.images, seen.scratch[min(part, seen.scratch.shape[0] - 1)], Held(-1, 0, 0)
    first, last = span(images.images * images.lines, part, parts)
    leaving, begin, sight = left.moments.values.size + left.products.pieces.values.size, first, sight_of(seen.lens)
    unit = first
    while unit < last:
        number, source, image = 1, rows_of(lines.rows, unit % images.lines), unit // images.lines
        if lines.bands.lines:
            number = min(lines.bands.lines, images.lines - unit % images.lines, last - unit)
            start = address(x, image * images.height * images.width * images.channels)
        else:
            below = last_row(source, images)
            start, held = source_lines(x, images, seen.how, near, held, image, source.row, below)
        write_lines(start, w, bias, y, lines, sight, unit, number)
        unit += number
        if leaving:
            begin = leave_lines(y, images, left, part, begin, unit, first, last)


@kernel
def spots(
    x: Vector,
    w: Vector,
    bias: Vector,
    y: Vector,
    images: DepthwiseImages,
    rows: Clock,
    phases: Clock,
    mode: int,
    codes: SpotCodes,
    seen: Seen,
    left: Leaving,
    part: int,
    parts: int,
) -> None:
    """y = x * w (+ bias), for any windows; x, w, y as above, bias: (C,) or empty. A part writes whole lines of y.

    Pixels near the sides are computed one by one from the taps that lie inside, the others several at a time.
    x is seen as `seen` says; a part leaves its own piece.
    """
    c, width, size = images.channels, images.width, y.itemsize
    constant = address(bias, 0) if bias.size else 0
    ws, ys, near, held = (
        address(w, 0),
        address(y, 0),
        seen.scratch[min(part, seen.scratch.shape[0] - 1)],
        Held(-1, 0, 0),
    )
    first, last = span(images.images * images.lines, part, parts)
    leaving, begin = left.moments.values.size + left.products.pieces.values.size, first
    for unit in range(first, last):
        image, source = unit // images.lines, rows_of(rows, unit % images.lines)
        line, held = source_lines(x, images, seen.how, near, held, image, source.row, last_row(source, images))
        for i in range(phases.size // PHASE):
            phase = phase_at(phases, i)
            o = 0
            while o < phase.number:
                column = o * phase.step + phase.shift
                low = min(phase.taps, max(0, (phase.apart - 1 - column) // phase.apart))
                high = max(low, min(phase.taps, (width - 1 - column) // phase.apart + 1))
                strip = 1
                if low == 0 and high == phase.taps:
                    inside = (width - 1 - (phase.taps - 1) * phase.apart - column) // phase.step + 1
                    strip = max(1, min(inside, phase.number - o) // phase.pixels * phase.pixels)
                start = line + (column + low * phase.apart) * c * size
                filters = ws + (source.tap * images.across + phase.first_tap + low * phase.next_tap) * c * size
                result = ys + (unit * images.columns + phase.place + o * phase.stride) * c * size
                code, times = (codes.some, strip // phase.pixels) if strip >= phase.pixels else (codes.one, 1)
                row = images.row_step * width * c
                reading = Spots(high - low, source.number, start, row, phase.step * c, phase.apart * c)
                taps = Taps(filters, images.tap_step * images.across * c, phase.next_tap * c)
                writing = Writing(result, phase.stride * c, constant, mode, c, images.columns * c)
                call_spot(code, times, reading, taps, writing)
                o += strip
        if leaving:
            begin = leave_lines(y, images, left, part, begin, unit + 1, first, last)


@kernel
def weight_gradient(
    x: Vector, dy: Vector, pieces: Matrix, images: DepthwiseGradient, seen: Seen, pull: Pull, part: int, parts: int
) -> None:
    """pieces[s] = the sums of the products of dy with the values that each tap reads, for the lines of piece s.

    x: (N, H, W, C), dy: (N, P, Q, C), pieces: (S, Fh*Fw*G*C). A part sums for some channels of a piece, over a
    band of lines at a time. `images.together` taps of a line are summed at a time: either all, where columns outside
    count as zeros; or one tap, over the pixels for which it is inside. x is seen as `seen` says, dy through the pull:
    scratch holds a band's lines of x, then those of dy.
    """
    g, size, piece = images, dy.itemsize, pieces[part // images.shares]
    c, width, q, own = g.channels, g.width, g.columns, g.channels // g.shares
    channel = part % g.shares * own
    for row in range(channel, piece.size, c):
        clear_run(piece, row, own)
    gs, near, held, line = address(piece, channel), seen.scratch[part], Held(-1, 0, 0), width * c
    room = ((g.band - 1) * g.stride_y + (g.down - 1) * g.dilation_y + 1) * line if is_seen(seen.how) else 0
    unit, end = span(g.images * g.lines, part // g.shares, pieces.shape[0])
    while unit < end:
        image, begin = unit // g.lines, unit % g.lines
        stop = min(begin + g.band, g.lines, begin + end - unit)
        xs, dys = address(x, image * g.height * line + channel), address(dy, unit * q * c + channel)
        if room:
            top = min(g.height, max(0, begin * g.stride_y - g.pad_y))
            below = min(g.height, (stop - 1) * g.stride_y - g.pad_y + (g.down - 1) * g.dilation_y + 1)
            held = hold_lines(x, g.height, line, c, seen.how, near[:room], held, image, top, below)
            xs = address(near, channel) - held.low * line * size
        if is_seen(pull):
            see_pixels(dy, c, unit * q, (stop - begin) * q, c, pull, near, room)
            dys = address(near, room + channel)
        for u in range(g.down):
            shift = u * g.dilation_y - g.pad_y
            low = max(begin, (g.stride_y - 1 - shift) // g.stride_y)
            lines = min(stop, (g.height - 1 - shift) // g.stride_y + 1) - low
            for v in range(0, g.across, g.together):
                left = v * g.dilation_x - g.pad_x
                o, last = 0, q
                if g.together == 1:
                    o, last = (
                        max(0, (g.stride_x - 1 - left) // g.stride_x),
                        min(q, (width - 1 - left) // g.stride_x + 1),
                    )
                while o < last and lines > 0:
                    some = (last - o) // g.pixels
                    code, strip = (g.whole, some * g.pixels) if some else (g.rest, last - o)
                    times = some if some else last - o if g.together == 1 else 1
                    column = o * g.stride_x + left
                    start = xs + ((low * g.stride_y + shift) * width + column) * c * size
                    diffs = Lines(dys + ((low - begin) * q + o) * c * size, q * c)
                    reading = Reading(start, column, width, lines, g.stride_y * width * c)
                    call_grad(code, times, reading, diffs, gs + (u * g.across + v) * c * g.group * size, own, c)
                    o += strip
        unit += stop - begin


@helper
def add_windows(
    x: Vector, diffs: int, filters: Vector, images: DepthwiseGradient, sight: Sight, unit: int, lines: int
) -> None:
    """filters (Fh*Fw, C) += the products of `lines` lines of dy, at the address `diffs`, with what their taps read.

    `unit` is the number of the first line.
    """
    g, c, q, size, o = images, images.channels, images.columns, x.itemsize, 0
    xs, top = address(x, unit // g.lines * g.height * g.width * c), unit % g.lines * g.stride_y - g.pad_y
    while o < q:
        some, code = (q - o) // g.pixels, g.whole
        if some == 0:
            some, code = 1, g.rest
        column = o * g.stride_x - g.pad_x
        plane = Plane(xs + column * c * size, column, g.width, top, g.height, g.dilation_y, g.width * c)
        target = Lines(diffs + o * c * size, q * c)
        call_window(code, some, plane, lines, g.stride_y, target, address(filters, 0), c, sight)
        o += some * g.pixels


@kernel
def window_gradient(
    x: Vector, dy: Vector, pieces: Matrix, images: DepthwiseGradient, seen: Seen, pull: Pull, part: int, parts: int
) -> None:
    """pieces[s] = as `weight_gradient`, for all taps at a time. A part sums a piece, over a band of lines at a time.

    x is seen through the lens; a band of dy is seen through the pull into scratch first.
    """
    g, piece, near, row = images, pieces[part], seen.scratch[part], images.columns * images.channels
    clear_run(piece, 0, piece.size)
    unit, end = span(g.images * g.lines, part, parts)
    while unit < end:
        lines = min(g.band, g.lines - unit % g.lines, end - unit)
        diffs = address(dy, unit * row)
        if is_seen(pull):
            see_pixels(dy, g.channels, unit * g.columns, lines * g.columns, g.channels, pull, near, 0)
            diffs = address(near, 0)
        add_windows(x, diffs, piece, g, sight_of(seen.lens), unit, lines)
        unit += lines


@kernel
def join(pieces: Matrix, dw: Array3, adding: int, part: int, parts: int) -> None:
    """pieces: (S, T*G*C), dw: (C, G, T). dw = (with `adding`: +=) the sum of the pieces in their order, turned.

    A part owns channels.
    """
    c, group, taps = dw.shape
    first, last = span(c, part, parts)
    for t in range(taps):
        for i in range(group):
            at = (t * group + i) * c
            total = pieces[0, at + first : at + last]
            for piece in range(1, pieces.shape[0]):
                more = pieces[piece, at + first : at + last]
                for k in range(total.size):
                    total[k] += more[k]
            for k in range(total.size):
                dw[first + k, i, t] = dw[first + k, i, t] + total[k] if adding else total[k]
