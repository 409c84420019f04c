"""Strips of grouped convolution: the innermost sums of several pixels of a line, vectors over channels.

Channels come in groups of G, a power of two, and as many are read as written; first(c) is the first channel of the
group of c.
`strip`: y[o, c] = sum over rows u, taps t and i < G of x[u, o*step + t, first(c) + i] * w[u, t, i, c] for a strip of
pixels o. A value of x is spread over its group's lanes once, for all taps of a line.
`grad`: g[t, i, c] += sum over lines and pixels o of x[o*step + t, first(c) + i] * dy[o, c].
A vector holds several small groups, or a piece of a large one. Arguments are those of depthwise strips (`strips`), and
columns outside the image count as zeros there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.streams import Stream, along, made, pointers
from netspec.codegen.strip_gradients import GRAD
from netspec.codegen.strip_pixels import Pixels, columns_inside, finish
from netspec.codegen.strips import STRIP

MOST_PIXELS = 14 if simd.REGISTERS == 32 else 10
"""Most pixels of a strip: their sums, the factors of a line of taps and a value fit the registers."""


def together(taps: int, group: int) -> int:
    """Values of a group whose gradients are summed at a time, for so many taps: all, or a half, a quarter and so on.

    The other registers hold the diffs of the pixels and a value; a value that is loaded for all lanes needs more.
    """
    sums = simd.REGISTERS * 3 // 4 if group < 16 else simd.REGISTERS // 2
    return next((n for n in (group >> s for s in range(group.bit_length())) if n * taps <= sums), 1)


def gradient_pixels(taps: int, group: int) -> int:
    """Most pixels of a gradient's strip: their diffs fit the registers beside the sums."""
    return max(2, min(8, simd.REGISTERS - together(taps, group) * taps - 3))


class _Groups:
    """Reads values of an image for a vector of channels, the first `number` of each group of `group` channels.

    Where a vector holds whole groups, each value is spread over its own group's lanes; else the vector lies in one
    group, and a single value is spread over all lanes. Nothing is read outside the vector's own groups.
    """

    def __init__(self, builder: Any, bytes: int, group: int, number: int) -> None:
        self.builder, self.group, self.number = builder, group, number
        self.cut, self.whole = simd.Vectors(builder, bytes, masked=True), simd.Vectors(builder, bytes, masked=False)
        lanes = self.whole.lanes
        self.single = group >= lanes
        self.read = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [int(i % group < number) for i in range(lanes)])
        zeros = ir.Constant(ir.ArrayType(self.whole.kind.element, number), None)
        self.zeros = builder.bitcast(cgutils.alloca_once_value(builder, zeros), zeros.type.element.as_pointer())

    def start(self, at: Any) -> Any:
        """The channel at which the values begin that a vector from channel `at` on is multiplied with."""
        return self.builder.and_(at, simd.number(-self.group)) if self.single else at

    def spread(self, place: Any, mask: Any, within: Any) -> list[Any]:
        """The values at `place` of each group, every one over its group's lanes; zeros where it is not `within`."""
        builder, index = self.builder, ir.IntType(32)
        if self.single:
            if within is not None:
                place = builder.select(builder.extract_element(within, ir.Constant(index, 0)), place, self.zeros)
            places = [builder.gep(place, [simd.number(i)]) for i in range(self.number)]
            return [self.whole.spread(builder.load(one)) for one in places]
        read, lanes = self.read, range(self.whole.lanes)
        for more in (mask, within):
            read = read if more is None else builder.and_(read, more)
        value, kind = self.cut.load(place, read), ir.VectorType(index, len(lanes))
        froms = [[lane - lane % self.group + i for lane in lanes] for i in range(self.number)]
        return [builder.shuffle_vector(value, value, ir.Constant(kind, frm)) for frm in froms]


def _pairs(columns: range, pixels: int, taps: int, step: int) -> dict[int, list[tuple[int, int]]]:
    """For each column that is read the (pixel, tap) pairs that meet there."""
    met = {i: [(o, i - o * step) for o in range(pixels) if 0 <= i - o * step < taps] for i in columns}
    return {i: pairs for i, pairs in met.items() if pairs}


def _strip(pixels: int, taps: int, step: int, group: int, bytes: int) -> Any:
    """The intrinsic of one size of strip for numbers of `bytes` bytes."""
    columns = range((pixels - 1) * step + taps)
    pairs = _pairs(columns, pixels, taps, step)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, rows, xrow, w, wrow, wstep, y, ystep, bias, mode, channels, *_ = args
        whole, groups = simd.Vectors(builder, bytes, masked=False), _Groups(builder, bytes, group, 1)
        x, w, y, constants = pointers(builder, whole, x, w, y, bias)
        sums = [cgutils.alloca_once(builder, whole.kind) for _ in range(pixels)]
        with cgutils.for_range(builder, strips) as strip:
            done = builder.mul(strip.index, simd.number(pixels))
            column = builder.mul(done, simd.number(step))
            masks = columns_inside(builder, whole, builder.add(first, column), width, columns, taps)
            line, result = builder.gep(x, [builder.mul(column, channels)]), builder.gep(y, [builder.mul(done, ystep)])

            def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
                for total in sums:
                    builder.store(emit.zero, total)
                own = builder.gep(line, [groups.start(at)])
                with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, simd.number(group)) as value:
                    frm = builder.gep(own, [builder.add(builder.mul(row.index, xrow), value.index)])
                    tap = builder.add(builder.mul(row.index, wrow), builder.mul(value.index, channels))
                    filters = Pixels(builder, builder.gep(w, [builder.add(at, tap)]), wstep)
                    source, factors = Pixels(builder, frm, channels), [emit.load(filters[t], mask) for t in range(taps)]
                    for i, met in pairs.items():
                        (factor,) = groups.spread(source[i], mask, masks.get(i))
                        for o, t in met:
                            builder.store(emit.multiply_add(factor, factors[t], builder.load(sums[o])), sums[o])
                # The pixels of a vector lie far apart: the cache is asked for the lines that the next line will read.
                below = builder.gep(line, [builder.add(at, builder.mul(rows, xrow))])
                for r in range(step):
                    ahead = Pixels(builder, builder.gep(below, [builder.mul(xrow, simd.number(r))]), channels)
                    for i in range(pixels * step):
                        simd.prefetch(builder, ahead[i], writing=False, near=2)
                places = Pixels(builder, builder.gep(result, [at]), ystep)
                finish(builder, emit, mask, sums, places, (bias, builder.gep(constants, [at])), mode)

            along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(STRIP, generate)


def _grad(pixels: int, taps: int, step: int, group: int, bytes: int) -> Any:
    """The intrinsic of one size of a weight's gradient for numbers of `bytes` bytes.

    It goes over its lines once for every `together` values of a group.
    """
    columns, number = range((pixels - 1) * step + taps), together(taps, group)
    pairs = _pairs(columns, pixels, taps, step)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        strips, x, first, width, lines, xline, dy, dyline, g, channels, pitch = args
        whole, groups = simd.Vectors(builder, bytes, masked=False), _Groups(builder, bytes, group, number)
        x, dy, g = pointers(builder, whole, x, dy, g)
        sums = {(t, i): cgutils.alloca_once(builder, whole.kind) for t in range(taps) for i in range(number)}
        tap = builder.mul(pitch, simd.number(group))

        def add(emit: simd.Vectors, mask: Any, at: Any, line: Any, strip: Any, values: Any) -> None:
            done = builder.mul(strip, simd.number(pixels))
            column = builder.mul(done, simd.number(step))
            masks = columns_inside(builder, whole, builder.add(first, column), width, columns, taps)
            frm = builder.add(builder.mul(line, xline), builder.mul(column, pitch))
            source = Pixels(builder, builder.gep(x, [builder.add(values, frm)]), pitch)
            above = builder.add(builder.mul(line, dyline), builder.mul(done, pitch))
            target = Pixels(builder, builder.gep(dy, [builder.add(at, above)]), pitch)
            diffs = [emit.load(target[o], mask) for o in range(pixels)]
            # As in a strip, the cache is asked for the lines that follow.
            below = Pixels(
                builder, builder.gep(x, [builder.add(at, builder.add(frm, builder.mul(lines, xline)))]), pitch
            )
            for i in range(pixels * step):
                simd.prefetch(builder, below[i], writing=False, near=2)
            for c, met in pairs.items():
                for i, value in enumerate(groups.spread(source[c], mask, masks.get(c))):
                    for o, t in met:
                        builder.store(emit.multiply_add(value, diffs[o], builder.load(sums[t, i])), sums[t, i])

        def body(emit: simd.Vectors, mask: Any, at: Any) -> None:
            with cgutils.for_range(builder, simd.number(group // number)) as piece:
                begin = builder.mul(piece.index, simd.number(number))
                for total in sums.values():
                    builder.store(emit.zero, total)
                values = builder.add(groups.start(at), begin)
                with cgutils.for_range(builder, lines) as line, cgutils.for_range(builder, strips) as strip:
                    add(emit, mask, at, line.index, strip.index, values)
                to = builder.gep(g, [builder.add(at, builder.mul(begin, pitch))])
                for (t, i), total in sums.items():
                    more = builder.add(builder.mul(tap, simd.number(t)), builder.mul(pitch, simd.number(i)))
                    place = builder.gep(to, [more])
                    emit.store(builder.fadd(emit.load(place, mask), builder.load(total)), place, mask)

        along(builder, bytes, channels, body)
        return context.get_dummy_value()

    return simd.intrinsic_of(GRAD, generate)


class GroupStrip(Stream):
    """The code of one kind and size."""

    kinds: ClassVar[dict[str, tuple[Callable[..., Any], tuple[str, ...]]]] = {
        "strip": (_strip, STRIP),
        "grad": (_grad, GRAD),
    }
    module: ClassVar[str] = "grouped"

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 800


def strip(kind: str, *size: int) -> GroupStrip:
    """strip(pixels, taps, step, group), grad(pixels, taps, step, group)."""
    return cast(GroupStrip, made(GroupStrip, kind, *size))


def __getattr__(name: str) -> Stream:
    return GroupStrip.named(name)
