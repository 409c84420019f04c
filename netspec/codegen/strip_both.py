"""Both gradients of depthwise convolution, along a line of the bottom, several pixels at a time, vectors over channels.

A pixel of the bottom meets the same values dy for its own gradient and for that of the weight, so each is read once:
dx[j, c] = sum over rows u and taps t of dy[u, q, c] * w[u, t, c], and g[u, t, c] += dy[u, q, c] * x[j, c], for the
column q at which tap t meets pixel j. Lines of dy have zeros beside them, so that no column is outside.
With LENS x is seen through a lens; with PRODUCTS also dx is masked by that, and its sums are left (`core/beside.py`).
Where dx is written past the caches, its pixels are whole vectors, and lie where simd.stream wants them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, STREAM, first_column, meetings
from netspec.codegen.streams import along, pointers
from netspec.codegen.strip_pixels import Eye, Pixels, Sight

LENS, PRODUCTS = 1, 2
"""Bits of what a code does beside the gradients; PRODUCTS only along with LENS."""


class Around(NamedTuple):
    """Lines of dy around a line of the bottom."""

    address: int  # of the first of them, at the first column that the first pixels meet
    row: int  # from one to the next


class Filters(NamedTuple):
    """Filters and their gradient."""

    address: int  # of the first tap that meets the first row
    gradient: int  # of that tap's gradient
    row: int  # from the taps of one row to those of the next


class Bottom(NamedTuple):
    """Pixels of the bottom, and their gradient."""

    x: int
    dx: int
    channels: int
    ahead: int  # from pixels of x to those that will be wanted later
    later: int  # the same of dx; 0: they are not fetched
    mode: int  # bits ADD and STREAM


class Sums(NamedTuple):
    """How products are left."""

    sight: Sight
    centre: int
    address: int  # where the sums of dx are left, and behind them those of dx * (x - centre), in the net's float type


BOTH = (
    *("strips", "dy", "row", "w", "g", "wrow", "x", "dx", "channels", "ahead", "later", "mode"),
    *("factor", "offset", "low", "centre", "sums"),
)
"""Arguments of the code. Addresses are in bytes, all else in values; `strips` counts strips side by side."""
call_both = simd.caller(len(BOTH))
"""call_both(code, strips, Around(...), Filters(...), Bottom(...), Sums(...)): the strips of a line."""


def both(columns: int, taps: int, step: int, pad: int, rows: int, kind: int, bytes: int) -> Any:
    """The intrinsic of a strip's size, for pixels that meet so many rows of dy."""
    triples, first = meetings(columns, taps, step, pad), first_column(taps, step, pad)
    keys = sorted({(u, t) for u in range(rows) for _, _, t in triples})

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, dy, row, w, g, wrow, x, dx, channels, ahead, later, mode, *sight, centre, sums = args
        whole = simd.Vectors(builder, bytes, masked=False)
        dy, w, g, x, dx, centre, sums = pointers(builder, whole, dy, w, g, x, dx, centre, sums)
        totals: dict[Any, Any] = {key: cgutils.alloca_once(builder, whole.kind) for key in (*keys, "s", "q")}
        values = [cgutils.alloca_once(builder, whole.kind) for _ in range(columns)]

        def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
            for total in totals.values():
                builder.store(emit.zero, total)
            offsets = {(u, t): _sum(builder, (wrow, u), (channels, t)) for u, t in keys}
            factors = {key: emit.load(builder.gep(w, [builder.add(at, off)]), mask) for key, off in offsets.items()}
            eye = Eye(builder, bytes, emit, tuple(sight), at, mask) if kind & LENS else None
            low = eye.low if eye else None
            mean = emit.load(builder.gep(centre, [at]), mask) if kind & PRODUCTS else None
            with cgutils.for_range(builder, strips) as strip:
                done = builder.mul(strip.index, simd.number(columns))
                place = builder.add(at, builder.mul(done, channels))
                source, target = (Pixels(builder, builder.gep(one, [place]), channels) for one in (x, dx))
                places = [target[j] for j in range(columns)]
                _fetch(builder, source, target, columns, ahead, later)
                raw = [emit.load(source[j], mask) for j in range(columns)]
                seen = [eye.see(value, None) if eye else value for value in raw]
                for value in values:
                    builder.store(emit.zero, value)
                block = builder.add(at, builder.mul(builder.udiv(done, simd.number(step)), channels))
                for u in range(rows):
                    line = Pixels(builder, builder.gep(dy, [builder.add(block, _sum(builder, (row, u)))]), channels)
                    for q in sorted({q for q, _, _ in triples}):
                        diff = emit.load(line[q - first], mask)
                        for _, j, t in (triple for triple in triples if triple[0] == q):
                            for total, a in ((values[j], factors[u, t]), (totals[u, t], seen[j])):
                                builder.store(emit.multiply_add(diff, a, builder.load(total)), total)
                with builder.if_then(_is_set(builder, builder.and_(mode, simd.number(ADD)))):
                    for value, place in zip(values, places, strict=True):
                        builder.store(builder.fadd(builder.load(value), emit.load(place, mask)), value)
                for j, total in enumerate(values if kind & PRODUCTS else ()):
                    value = builder.select(builder.fcmp_ordered("<=", seen[j], low), emit.zero, builder.load(total))
                    off = builder.fsub(emit.load(source[j], mask), mean)
                    builder.store(builder.fadd(builder.load(totals["s"]), value), totals["s"])
                    builder.store(emit.multiply_add(value, off, builder.load(totals["q"])), totals["q"])
                    builder.store(value, total)
                _write(builder, emit, mask, values, places, mode)
            for key, off in offsets.items():
                end = builder.gep(g, [builder.add(at, off)])
                emit.store(builder.fadd(emit.load(end, mask), builder.load(totals[key])), end, mask)
            for i, name in enumerate("sq" if kind & PRODUCTS else ""):
                end = builder.gep(sums, [builder.add(at, _sum(builder, (channels, i)))])
                emit.store(builder.load(totals[name]), end, mask)

        along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(BOTH, generate)


def _sum(builder: Any, *products: tuple[Any, int]) -> Any:
    """The sum of products with numbers that are known now."""
    total = simd.number(0)
    for value, times in products:
        total = builder.add(total, builder.mul(value, simd.number(times)))
    return total


def _is_set(builder: Any, word: Any) -> Any:
    return builder.icmp_signed("!=", word, simd.number(0))


def _fetch(builder: Any, x: Pixels, dx: Pixels, columns: int, ahead: Any, later: Any) -> None:
    """Ask the caches for the pixels that lie `ahead` and `later` values behind a strip's."""
    for j in range(columns):
        simd.prefetch(builder, builder.gep(x[j], [ahead]), writing=False, near=2)
    with builder.if_then(_is_set(builder, later)):
        for j in range(columns):
            simd.prefetch(builder, builder.gep(dx[j], [later]), writing=True)


def _write(builder: Any, emit: simd.Vectors, mask: Any, values: list[Any], places: list[Any], mode: Any) -> None:
    """Write a strip; past the caches, if the mode says so."""
    with builder.if_else(_is_set(builder, builder.and_(mode, simd.number(STREAM)))) as (streamed, stored):
        with streamed:
            for value, place in zip(values, places, strict=True):
                simd.stream(builder, builder.load(value), builder.bitcast(place, emit.kind.as_pointer()))
        with stored:
            for value, place in zip(values, places, strict=True):
                emit.store(builder.load(value), place, mask)
