"""Gradients of the weights of strips (`strips`): sums over pixels, vectors over channels.

`grad`: g[t, c] += sum over lines and pixels o of x[o*step + t, c] * dy[o, c].
`window`: g[u, t, c] += sum over lines i and pixels o of x[i*ystep + u, o*step + t, c] * dy[i, o, c], of all rows u:
what the taps share is read once.
A window with `lens` sees x through that as it reads. Columns outside the image count as zeros.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.streams import along, pointers
from netspec.codegen.strip_pixels import Eye, Pixels, columns_inside, loaded


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
call_grad, call_window = simd.caller(len(GRAD)), simd.caller(len(WINDOW))
"""call_grad(code, strips, Reading(...), Lines(...), g, channels, pitch): the gradient of a line of taps, at the address
g, for some of the `pitch` channels of a pixel.
call_window(code, strips, Plane(...), lines, ystep, Lines(...), g, channels, Sight(...)): the gradient of all taps."""


def grad(pixels: int, taps: int, step: int, together: int, bytes: int) -> Any:
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
                        value = loaded(builder, bytes, emit, source[i], mask, masks.get(i), v)
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


def window(pixels: int, taps: int, step: int, down: int, lens: int, bytes: int) -> Any:
    """The intrinsic of one size of a weight's gradient, of all `down` rows of taps at a time.

    It asks the cache for the rows that the next lines will need.
    """
    columns = range((pixels - 1) * step + taps)
    new = [u >= down - step for u in range(down)]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, top, height, apart, xrow, lines, ystep, dy, dyline, g, channels, *sight = args
        whole = simd.Vectors(builder, bytes, masked=False)
        x, dy, g = pointers(builder, whole, x, dy, g)
        sums = [[cgutils.alloca_once(builder, whole.kind) for _ in range(taps)] for _ in range(down)]

        def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
            for total in (total for row in sums for total in row):
                builder.store(emit.zero, total)
            eye = Eye(builder, bytes, emit, tuple(sight), at, mask) if lens else None
            below = builder.mul(builder.mul(lines, ystep), xrow)
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
                    for start, within, totals, fetched in zip(starts, inside, sums, new, strict=True):
                        if fetched:
                            place = builder.gep(start, [builder.add(below, builder.mul(column, channels))])
                            later = Pixels(builder, place, channels)
                            for i in range(pixels * step):
                                simd.prefetch(builder, later[i], writing=False)
                        with builder.if_then(within, likely=True):
                            source = Pixels(builder, builder.gep(start, [builder.mul(column, channels)]), channels)
                            for i in columns:
                                pairs = [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps]
                                if pairs:
                                    value = loaded(builder, bytes, emit, source[i], mask, masks.get(i))
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
