"""What the codes of strips share: pixels, columns outside an image, values seen through a lens, ends of sums."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY
from netspec.codegen.streams import pointers


class Sight(NamedTuple):
    """A lens, as codes take it: values are seen as value * factor + offset, at least `low`."""

    factor: int  # address of the channels' factors
    offset: int  # address of the channels' offsets
    low: int  # the bits of a real number


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


def loaded(builder: Any, bytes: int, emit: simd.Vectors, place: Any, mask: Any, inside: Any, v: int = 0) -> Any:
    """A vector, zero outside of the image."""
    if inside is None:
        return emit.load(place, mask, v)
    return simd.Vectors(builder, bytes, masked=True).load(
        place, inside if mask is None else builder.and_(mask, inside), v
    )


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
