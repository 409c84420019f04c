"""Strips: the innermost sums of depthwise convolution, several pixels of a line at a time, vectors over channels.

`strip`: y[o, c] = sum over rows u and taps t of x[u, o*step + t, c] * w[u, t, c] for a strip of pixels o: what its
pixels share of a line is read once.
`spot`: such a sum for any number and distance of taps, none of them outside the image.
`grad`: g[t, c] += sum over lines and pixels o of x[o*step + t, c] * dy[o, c].
`window`: g[u, t, c] += sum over lines i and pixels o of x[i*ystep + u, o*step + t, c] * dy[i, o, c], of all rows u:
what the taps share is read once.
A strip or window with `lens` sees x through that as it reads.
Columns outside the image count as zeros; there may be as many as taps on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, ClassVar, NamedTuple, cast

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY
from netspec.codegen.streams import Stream, along, made, pointers


class Reading(NamedTuple):
    """Rows of an image that are read, from a column on."""

    address: int
    column: int  # which column `address` is; columns below 0 and from `width` on count as zeros
    width: int  # columns of the image
    rows: int
    row: int  # from one row to the next


class Taps(NamedTuple):
    """A filter's taps, each a vector of all channels."""

    address: int  # of the first tap of the first row
    row: int  # from the taps of one row to those of the next
    tap: int  # from the tap of one column to that of the next


class Writing(NamedTuple):
    """Pixels of a line that are written."""

    address: int
    pixel: int  # from one pixel to the next
    bias: int  # address of what is added to each; 0: nothing
    mode: int  # bits ADD and RECTIFY
    channels: int


class Spots(NamedTuple):
    """Taps of an image that lie inside it."""

    taps: int  # taps of a row
    rows: int
    address: int  # of the first pixel's first tap
    row: int  # from one row to the next
    pixel: int  # from one pixel's taps to the next pixel's
    tap: int  # from one tap to the next


class Sight(NamedTuple):
    """A lens, as codes take it: values are seen as value * factor + offset, at least `low`."""

    factor: int  # address of the channels' factors
    offset: int  # address of the channels' offsets
    low: int  # the bits of a real number


class Plane(NamedTuple):
    """Rows of an image that windows move over; those below 0 and from `height` on count as zeros."""

    address: int  # of row 0, at the first window's first column
    column: int  # which column that is
    width: int  # columns of the image
    top: int  # the row at which the first line's windows begin
    height: int  # rows of the image
    apart: int  # rows from one of a window to its next
    row: int  # from one row to the next


class Lines(NamedTuple):
    """Lines of the top's diff."""

    address: int
    line: int  # from one line to the next


STRIP = (
    "strips",
    "x",
    "first",
    "width",
    "rows",
    "xrow",
    "w",
    "wrow",
    "wstep",
    "y",
    "ystep",
    "bias",
    "mode",
    "channels",
    "factor",
    "offset",
    "low",
)
SPOT = (
    "strips",
    "taps",
    "rows",
    "x",
    "xrow",
    "xstep",
    "xtap",
    "w",
    "wrow",
    "wtap",
    "y",
    "ystep",
    "bias",
    "mode",
    "channels",
)
GRAD = ("strips", "x", "first", "width", "lines", "xline", "dy", "dyline", "g", "channels", "pitch")
WINDOW = (
    "strips",
    "x",
    "first",
    "width",
    "top",
    "height",
    "apart",
    "xrow",
    "lines",
    "ystep",
    "dy",
    "dyline",
    "g",
    "channels",
    "factor",
    "offset",
    "low",
)
"""Arguments of the codes. Addresses are in bytes, all else in values; `strips` counts strips side by side."""
call_strip, call_spot, call_grad, call_window = (simd.caller(len(words)) for words in (STRIP, SPOT, GRAD, WINDOW))
"""call_strip(code, strips, Reading(...), Taps(...), Writing(...), Sight(...)): the strips of a line.
call_spot(code, strips, Spots(...), Taps(...), Writing(...)): pixels of a line, several at a time.
call_grad(code, strips, Reading(...), Lines(...), g, channels, pitch): the gradient of a line of taps, at the address g,
for some of the `pitch` channels of a pixel.
call_window(code, strips, Plane(...), lines, ystep, Lines(...), g, channels, Sight(...)): the gradient of all taps."""


class Pixels:
    """Pixels that follow one another in memory; three share an address register."""

    def __init__(self, builder: Any, start: Any, pitch: Any) -> None:
        self.builder, self.start, self.pitch = builder, start, pitch
        self.twice, self.thrice = builder.shl(pitch, simd.number(1)), builder.mul(pitch, simd.number(3))
        self.groups = [start]

    def __getitem__(self, i: int) -> Any:
        while len(self.groups) <= i // 3:
            self.groups.append(self.builder.gep(self.groups[-1], [self.thrice]))
        place = self.groups[i // 3]
        return self.builder.gep(place, [(self.pitch, self.twice)[i % 3 - 1]]) if i % 3 else place


def columns_inside(
    builder: Any, emit: simd.Vectors, first: Any, width: Any, columns: range, taps: int
) -> dict[int, Any]:
    """A mask for each column near an end of the line: all lanes if the column is inside the image, else none."""
    kind = ir.VectorType(ir.IntType(1), emit.lanes)
    masks = {}
    for i in columns:
        if i < taps or i >= columns.stop - taps:
            inside = builder.icmp_unsigned("<", builder.add(first, simd.number(i)), width)
            masks[i] = emit.spread(inside, kind)
    return masks


def _load(builder: Any, bytes: int, emit: simd.Vectors, place: Any, mask: Any, inside: Any, v: int = 0) -> Any:
    """A vector, zero outside of the image."""
    if inside is None:
        return emit.load(place, mask, v)
    return simd.Vectors(builder, bytes, masked=True).load(
        place, inside if mask is None else builder.and_(mask, inside), v
    )


class Eye:
    """Sees a vector of channels through a lens."""

    def __init__(
        self, builder: Any, bytes: int, emit: simd.Vectors, sight: tuple[Any, ...], at: Any, mask: Any
    ) -> None:
        self.builder, self.emit = builder, emit
        factor, offset = pointers(builder, emit, *sight[:2])
        self.factor, self.offset = (emit.load(builder.gep(row, [at]), mask) for row in (factor, offset))
        low = builder.trunc(sight[2], ir.IntType(32)) if bytes == 4 else sight[2]
        self.low = emit.spread(builder.bitcast(low, emit.kind.element))

    def see(self, value: Any, inside: Any) -> Any:
        """The vector as it is seen; 0 where it is not inside the image."""
        builder, value = self.builder, self.emit.multiply_add(value, self.factor, self.offset)
        value = builder.select(builder.fcmp_ordered("<", value, self.low), self.low, value)
        return value if inside is None else builder.select(inside, value, self.emit.zero)


def finish(builder: Any, emit: simd.Vectors, mask: Any, sums: list[Any], y: Pixels, bias: Any, mode: Any) -> None:
    """Add the bias and what y holds, rectify, and write y."""
    places = [y[o] for o in range(len(sums))]
    constant = cgutils.alloca_once_value(builder, emit.zero)
    with builder.if_then(builder.icmp_unsigned("!=", bias[0], simd.number(0))):
        builder.store(emit.load(bias[1], mask), constant)
    for total in sums:
        builder.store(builder.fadd(builder.load(total), builder.load(constant)), total)
    with builder.if_then(_bit(builder, mode, ADD)):
        for total, place in zip(sums, places, strict=True):
            builder.store(builder.fadd(builder.load(total), emit.load(place, mask)), total)
    with builder.if_then(_bit(builder, mode, RECTIFY)):
        for total in sums:
            value = builder.load(total)
            builder.store(builder.select(builder.fcmp_ordered("<", value, emit.zero), emit.zero, value), total)
    for total, place in zip(sums, places, strict=True):
        emit.store(builder.load(total), place, mask)


def _bit(builder: Any, mode: Any, bit: int) -> Any:
    return builder.icmp_signed("!=", builder.and_(mode, simd.number(bit)), simd.number(0))


def _strip(pixels: int, taps: int, step: int, ahead: int, lens: int, bytes: int) -> Any:
    """The intrinsic of one size of strip for numbers of `bytes` bytes.

    With `ahead` it asks the cache for the line that the next strip will need, with `lens` it sees x through that.
    """
    columns = range((pixels - 1) * step + taps)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, rows, xrow, w, wrow, wstep, y, ystep, bias, mode, channels, *sight = args
        whole = simd.Vectors(builder, bytes, masked=False)
        x, w, y, start = pointers(builder, whole, x, w, y, bias)
        sums = [cgutils.alloca_once(builder, whole.kind) for _ in range(pixels)]
        with cgutils.for_range(builder, strips) as strip:
            done = builder.mul(strip.index, simd.number(pixels))
            column = builder.mul(done, simd.number(step))
            masks = columns_inside(builder, whole, builder.add(first, column), width, columns, taps)
            line, result = builder.gep(x, [builder.mul(column, channels)]), builder.gep(y, [builder.mul(done, ystep)])

            def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
                for total in sums:
                    builder.store(emit.zero, total)
                eye = Eye(builder, bytes, emit, tuple(sight), at, mask) if lens else None
                with cgutils.for_range(builder, rows) as row:
                    source = Pixels(
                        builder, builder.gep(line, [builder.add(at, builder.mul(row.index, xrow))]), channels
                    )
                    filters = Pixels(builder, builder.gep(w, [builder.add(at, builder.mul(row.index, wrow))]), wstep)
                    factors = [emit.load(filters[t], mask) for t in range(taps)]
                    for i in columns:
                        pairs = [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps]
                        if pairs:
                            value = _load(builder, bytes, emit, source[i], mask, masks.get(i))
                            value = eye.see(value, masks.get(i)) if eye else value
                            for o, t in pairs:
                                builder.store(emit.multiply_add(value, factors[t], builder.load(sums[o])), sums[o])
                below = Pixels(builder, builder.gep(line, [builder.add(at, builder.mul(rows, xrow))]), channels)
                for i in range(pixels * ahead):
                    simd.prefetch(builder, below[i], writing=False)
                places = Pixels(builder, builder.gep(result, [at]), ystep)
                finish(builder, emit, mask, sums, places, (bias, builder.gep(start, [at])), mode)

            along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(STRIP, generate)


def _spot(pixels: int, bytes: int) -> Any:
    """The intrinsic of some pixels; the number of taps is an argument."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, taps, rows, x, xrow, xstep, xtap, w, wrow, wtap, y, ystep, bias, mode, channels = args
        whole = simd.Vectors(builder, bytes, masked=False)
        x, w, y, start = pointers(builder, whole, x, w, y, bias)
        sums = [cgutils.alloca_once(builder, whole.kind) for _ in range(pixels)]
        with cgutils.for_range(builder, strips) as strip:
            done = builder.mul(strip.index, simd.number(pixels))
            line, result = builder.gep(x, [builder.mul(done, xstep)]), builder.gep(y, [builder.mul(done, ystep)])

            def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
                for total in sums:
                    builder.store(emit.zero, total)
                with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, taps) as tap:
                    where = [
                        builder.add(builder.mul(row.index, r), builder.mul(tap.index, t))
                        for r, t in ((xrow, xtap), (wrow, wtap))
                    ]
                    source = Pixels(builder, builder.gep(line, [builder.add(at, where[0])]), xstep)
                    factor = emit.load(builder.gep(w, [builder.add(at, where[1])]), mask)
                    for o, total in enumerate(sums):
                        builder.store(emit.multiply_add(emit.load(source[o], mask), factor, builder.load(total)), total)
                places = Pixels(builder, builder.gep(result, [at]), ystep)
                finish(builder, emit, mask, sums, places, (bias, builder.gep(start, [at])), mode)

            along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(SPOT, generate)


def _grad(pixels: int, taps: int, step: int, together: int, bytes: int) -> Any:
    """The intrinsic of one size of a weight's gradient, over `together` vectors of channels at a time.

    Several make a walk along memory of what would be leaps from pixel to pixel. A tap has enough sums that none waits
    for another.
    """
    columns = range((pixels - 1) * step + taps)
    chains = min(pixels, max(1, 4 // (taps * together)) if together > 1 else {1: 4, 2: 2, 3: 2}.get(taps, 1))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, lines, xline, dy, dyline, g, channels, pitch = args
        whole = simd.Vectors(builder, bytes, masked=False)
        x, dy, g = pointers(builder, whole, x, dy, g)
        keys = [(v, t, chain) for v in range(together) for t in range(taps) for chain in range(chains)]
        sums = {key: cgutils.alloca_once(builder, whole.kind) for key in keys}

        def body(emit: simd.Vectors, mask: Any, at: Any, vectors: int) -> None:
            own = [key for key in keys if key[0] < vectors]
            for key in own:
                builder.store(emit.zero, sums[key])
            with cgutils.for_range(builder, lines) as line, cgutils.for_range(builder, strips) as strip:
                done = builder.mul(strip.index, simd.number(pixels))
                column = builder.mul(done, simd.number(step))
                masks = columns_inside(builder, emit, builder.add(first, column), width, columns, taps)
                below = builder.add(at, builder.add(builder.mul(line.index, xline), builder.mul(column, pitch)))
                above = builder.add(at, builder.add(builder.mul(line.index, dyline), builder.mul(done, pitch)))
                source, target = (
                    Pixels(builder, builder.gep(x, [below]), pitch),
                    Pixels(builder, builder.gep(dy, [above]), pitch),
                )
                diffs = [[emit.load(target[o], mask, v) for v in range(vectors)] for o in range(pixels)]
                for i in columns:
                    pairs = [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps]
                    for v in range(vectors if pairs else 0):
                        value = _load(builder, bytes, emit, source[i], mask, masks.get(i), v)
                        for o, t in pairs:
                            total = sums[v, t, o % chains]
                            builder.store(emit.multiply_add(value, diffs[o][v], builder.load(total)), total)
            places = Pixels(builder, builder.gep(g, [at]), pitch)
            for v, t in product(range(vectors), range(taps)):
                value = emit.load(places[t], mask, v)
                for chain in range(chains):
                    value = builder.fadd(value, builder.load(sums[v, t, chain]))
                emit.store(value, places[t], mask, v)

        groups = builder.udiv(channels, simd.number(together * whole.lanes)) if together > 1 else simd.number(0)
        with cgutils.for_range(builder, groups) as group:
            body(whole, None, builder.mul(group.index, simd.number(together * whole.lanes)), together)
        done = builder.mul(groups, simd.number(together * whole.lanes))
        along(
            builder,
            bytes,
            builder.sub(channels, done),
            lambda emit, mask, at: body(emit, mask, builder.add(done, at), 1),
        )
        return context.get_dummy_value()

    return simd.intrinsic_of(GRAD, generate)


def _window(pixels: int, taps: int, step: int, down: int, lens: int, bytes: int) -> Any:
    """The intrinsic of one size of a weight's gradient, of all `down` rows of taps at a time."""
    columns = range((pixels - 1) * step + taps)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, top, height, apart, xrow, lines, ystep, dy, dyline, g, channels, *sight = args
        whole = simd.Vectors(builder, bytes, masked=False)
        x, dy, g = pointers(builder, whole, x, dy, g)
        sums = [[cgutils.alloca_once(builder, whole.kind) for _ in range(taps)] for _ in range(down)]

        def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
            for total in (total for row in sums for total in row):
                builder.store(emit.zero, total)
            eye = Eye(builder, bytes, emit, tuple(sight), at, mask) if lens else None
            with cgutils.for_range(builder, lines) as line:
                begin = builder.add(top, builder.mul(line.index, ystep))
                rows = [builder.add(begin, builder.mul(apart, simd.number(u))) for u in range(down)]
                inside = [builder.icmp_unsigned("<", row, height) for row in rows]
                starts = [builder.gep(x, [builder.add(at, builder.mul(row, xrow))]) for row in rows]
                diff = builder.gep(dy, [builder.add(at, builder.mul(line.index, dyline))])
                with cgutils.for_range(builder, strips) as strip:
                    done = builder.mul(strip.index, simd.number(pixels))
                    column = builder.mul(done, simd.number(step))
                    masks = columns_inside(builder, emit, builder.add(first, column), width, columns, taps)
                    target = Pixels(builder, builder.gep(diff, [builder.mul(done, channels)]), channels)
                    diffs = [emit.load(target[o], mask) for o in range(pixels)]
                    for start, within, totals in zip(starts, inside, sums, strict=True):
                        with builder.if_then(within, likely=True):
                            source = Pixels(builder, builder.gep(start, [builder.mul(column, channels)]), channels)
                            for i in columns:
                                pairs = [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps]
                                if pairs:
                                    value = _load(builder, bytes, emit, source[i], mask, masks.get(i))
                                    value = eye.see(value, masks.get(i)) if eye else value
                                    for o, t in pairs:
                                        total = emit.multiply_add(value, diffs[o], builder.load(totals[t]))
                                        builder.store(total, totals[t])
            places = Pixels(builder, builder.gep(g, [at]), channels)
            for i, total in enumerate(total for row in sums for total in row):
                emit.store(builder.fadd(emit.load(places[i], mask), builder.load(total)), places[i], mask)

        along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(WINDOW, generate)


class Strip(Stream):
    """The code of one kind and size."""

    kinds: ClassVar[dict[str, tuple[Callable[..., Any], tuple[str, ...]]]] = {
        "strip": (_strip, STRIP),
        "spot": (_spot, SPOT),
        "grad": (_grad, GRAD),
        "window": (_window, WINDOW),
    }
    module: ClassVar[str] = "strips"

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 500


def strip(kind: str, *size: int) -> Strip:
    """strip(pixels, taps, step, ahead, lens), spot(pixels), grad(pixels, taps, step, together).

    Or window(pixels, taps, step, down, lens).
    """
    return cast(Strip, made(Strip, kind, *size))


def __getattr__(name: str) -> Stream:
    return Strip.named(name)
