"""Depthwise convolution down a band of lines, a strip of pixels at a time, vectors over channels.

y[i, o, c] = sum over rows u and taps t of x[i*ystep + u, o*step + t, c] * w[u, t, c]: each row of x is read, and seen,
once for all lines i whose windows it meets; these have their sums in registers at the same time. A line's products are
added in the order of a single line (`strips`). Rows and columns outside the image count as zeros.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import LINE
from netspec.codegen.streams import along, pointers
from netspec.codegen.strip_pixels import Eye, Pixels, columns_inside, finish, loaded

BAND = (
    *("strips", "x", "first", "width", "top", "height", "apart", "xrow", "lines"),
    *("w", "wrow", "wstep", "y", "ystep", "bias", "mode", "channels", "yline", "factor", "offset", "low"),
)
"""Arguments of the code. Addresses are in bytes, all else in values; `strips` counts strips side by side.

Rows of a window are neighbours: `apart` is 1.
"""
call_band = simd.caller(len(BAND))
"""call_band(code, strips, Plane(...), lines, Taps(...), Writing(...), Sight(...)): the strips of a band of lines."""


def band(pixels: int, taps: int, step: int, down: int, stride: int, lens: int, bytes: int) -> Any:
    """The intrinsic of one size of strip, for windows of `down` rows, `stride` rows apart.

    It asks for the next values of each row; and for the rows of the next band, where the second cache holds them.
    """
    columns = range((pixels - 1) * step + taps)
    met = {i: [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps] for i in columns}
    deep = -(-down // stride)
    beyond = simd.number(LINE // bytes)
    news = range(max(0, down - stride), down)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, top, height, _, xrow, lines, w, wrow, wstep, y, ystep, bias, *more = args
        mode, channels, yline, *sight = more
        whole = simd.Vectors(builder, bytes, masked=False)
        x, w, y, constants = pointers(builder, whole, x, w, y, bias)
        sums = [[cgutils.alloca_once(builder, whole.kind) for _ in range(pixels)] for _ in range(deep)]
        with cgutils.for_range(builder, strips) as strip:
            done = builder.mul(strip.index, simd.number(pixels))
            column = builder.mul(done, simd.number(step))
            masks = columns_inside(builder, whole, builder.add(first, column), width, columns, taps)
            start, result = builder.gep(x, [builder.mul(column, channels)]), builder.gep(y, [builder.mul(done, ystep)])

            def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
                _clear(builder, emit, *sums)
                eye = Eye(builder, bytes, emit, tuple(sight), at, mask) if lens else None
                rows = [builder.gep(w, [builder.add(at, builder.mul(wrow, simd.number(u)))]) for u in range(down)]
                factors = [[emit.load(Pixels(builder, row, wstep)[t], mask) for t in range(taps)] for row in rows]
                with cgutils.for_range(builder, builder.add(lines, simd.number(deep - 1))) as loop:
                    line = builder.sub(loop.index, simd.number(deep - 1))
                    for u in news:
                        row = builder.add(top, builder.add(builder.mul(line, simd.number(stride)), simd.number(u)))
                        with builder.if_then(builder.icmp_unsigned("<", row, height), likely=True):
                            place = builder.gep(start, [builder.add(at, builder.mul(row, xrow))])
                            source = Pixels(builder, place, channels)
                            _fetch(builder, builder.gep(place, [beyond]), channels, pixels * step)
                            own = [(total, u - k * stride) for k, total in enumerate(sums) if u >= k * stride]
                            for i in (i for i in columns if met[i]):
                                value = loaded(builder, bytes, emit, source[i], mask, masks.get(i))
                                value = eye.see(value, masks.get(i)) if eye else value
                                for totals, v in own:
                                    for o, t in met[i]:
                                        total = emit.multiply_add(value, factors[v][t], builder.load(totals[o]))
                                        builder.store(total, totals[o])
                    with builder.if_then(builder.icmp_signed(">=", line, simd.number(0)), likely=True):
                        place = builder.gep(result, [builder.add(at, builder.mul(line, yline))])
                        _fetch(builder, builder.gep(place, [beyond]), ystep, pixels, writing=True)
                        if stride == 1:
                            below = builder.gep(start, [builder.add(at, builder.mul(builder.add(row, lines), xrow))])
                            _fetch(builder, below, channels, pixels * step, near=2)
                        target = Pixels(builder, place, ystep)
                        finish(builder, emit, mask, sums[0], target, (bias, builder.gep(constants, [at])), mode)
                    for totals, nexts in zip(sums, [*sums[1:], [None] * pixels], strict=True):
                        for total, following in zip(totals, nexts, strict=True):
                            builder.store(emit.zero if following is None else builder.load(following), total)

            along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(BAND, generate)


def _clear(builder: Any, emit: simd.Vectors, *sums: list[Any]) -> None:
    for total in (total for line in sums for total in line):
        builder.store(emit.zero, total)


def _fetch(builder: Any, place: Any, pitch: Any, number: int, writing: bool = False, near: int = 3) -> None:
    """Ask a cache for `number` pixels."""
    pixels = Pixels(builder, place, pitch)
    for i in range(number):
        simd.prefetch(builder, pixels[i], writing, near)
