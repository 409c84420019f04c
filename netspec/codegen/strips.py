"""Strips: the innermost sums of depthwise convolution, several pixels of a line at a time, vectors over channels.

`strip`: y[o, c] = sum over rows u and taps t of x[u, o*step + t, c] * w[u, t, c] for a strip of pixels o: what its
pixels share of a line is read once.
`spot`: such a sum for any number and distance of taps, none of them outside the image.
A strip with `lens` sees x through that as it reads. Gradients of weights are in `strip_gradients`.
Columns outside the image count as zeros; there may be as many as taps on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, cast

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.streams import Stream, along, made, pointers
from netspec.codegen.strip_bands import BAND, band
from netspec.codegen.strip_both import BOTH, both
from netspec.codegen.strip_gradients import GRAD, WINDOW, grad, window
from netspec.codegen.strip_pixels import Eye, Pixels, columns_inside, finish, loaded

READ, WRITTEN = 1, 2
"""Bits of what a strip asks the cache for: the lines that will be read next; the line that will be written next."""


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
    line: int  # from one line to the next


class Spots(NamedTuple):
    """Taps of an image that lie inside it."""

    taps: int  # taps of a row
    rows: int
    address: int  # of the first pixel's first tap
    row: int  # from one row to the next
    pixel: int  # from one pixel's taps to the next pixel's
    tap: int  # from one tap to the next


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
    "yline",
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
    "yline",
)
"""Arguments of the codes. Addresses are in bytes, all else in values; `strips` counts strips side by side."""
call_strip, call_spot = simd.caller(len(STRIP)), simd.caller(len(SPOT))
"""call_strip(code, strips, Reading(...), Taps(...), Writing(...), Sight(...)): the strips of a line.
call_spot(code, strips, Spots(...), Taps(...), Writing(...)): pixels of a line, several at a time."""


def _strip(pixels: int, taps: int, step: int, ahead: int, lens: int, bytes: int) -> Any:
    """The intrinsic of one size of strip for numbers of `bytes` bytes.

    `ahead` holds bits READ and WRITTEN: what it asks the cache for. With `lens` it sees x through that.
    """
    columns = range((pixels - 1) * step + taps)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, rows, xrow, w, wrow, wstep, y, ystep, bias, mode, channels, yline, *sight = args
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
                            value = loaded(builder, bytes, emit, source[i], mask, masks.get(i))
                            value = eye.see(value, masks.get(i)) if eye else value
                            for o, t in pairs:
                                builder.store(emit.multiply_add(value, factors[t], builder.load(sums[o])), sums[o])
                for u in range(step if ahead & READ else 0):
                    row = builder.mul(builder.add(rows, simd.number(u)), xrow)
                    below = Pixels(builder, builder.gep(line, [builder.add(at, row)]), channels)
                    for i in range(pixels * step):
                        simd.prefetch(builder, below[i], writing=False)
                places = Pixels(builder, builder.gep(result, [at]), ystep)
                later = Pixels(builder, builder.gep(result, [builder.add(at, yline)]), ystep)
                for i in range(pixels if ahead & WRITTEN else 0):
                    simd.prefetch(builder, later[i], writing=True)
                finish(builder, emit, mask, sums, places, (bias, builder.gep(start, [at])), mode)

            along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(STRIP, generate)


def _spot(pixels: int, bytes: int) -> Any:
    """The intrinsic of some pixels; the number of taps is an argument."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, taps, rows, x, xrow, xstep, xtap, w, wrow, wtap, y, ystep, bias, mode, channels, _ = args
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


class Strip(Stream):
    """The code of one kind and size."""

    kinds: ClassVar[dict[str, tuple[Callable[..., Any], tuple[str, ...]]]] = {
        "strip": (_strip, STRIP),
        "spot": (_spot, SPOT),
        "grad": (grad, GRAD),
        "window": (window, WINDOW),
        "both": (both, BOTH),
        "band": (band, BAND),
    }
    module: ClassVar[str] = "strips"

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 500


def strip(kind: str, *size: int) -> Strip:
    """strip(pixels, taps, step, ahead, lens), spot(pixels), grad(pixels, taps, step, together).

    Or window(pixels, taps, step, down, lens), both(columns, taps, step, pad, rows, kind),
    band(pixels, taps, step, down, stride, lens).
    """
    return cast(Strip, made(Strip, kind, *size))


def __getattr__(name: str) -> Stream:
    return Strip.named(name)
