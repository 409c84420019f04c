"""The loops of register tiles over their products, in LLVM's own language.

Where it is known that A's rows lie side by side, a row of values is reached from one register. Addresses are opaque to
LLVM there, which would else add them up in one long chain, row after row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import APART, LINE

SOON = 1024
"""Bytes after which B is prefetched where A is near."""
TOGETHER = 2
"""Products of a turn of the loop where the kind of tile is known and no vector is cut."""


class Loop:
    """Writes the loop over the products of a tap.

    `sums` are the places of the sums, by row and vector. `load(row, v)` reads the v-th vector of a row of B, and
    `add_products(factor, values, line)` adds a factor times these vectors to a line of sums. A turn of the loop is of
    `together` products where the kind of tile is known.
    """

    def __init__(
        self, builder: Any, bytes: int, sums: list[list[Any]], load: Any, add_products: Any, together: int = TOGETHER
    ) -> None:
        self.builder, self.bytes, self.sums, self.together = builder, bytes, sums, together
        self.load, self.add_products = load, add_products
        self.element = (ir.FloatType() if bytes == 4 else ir.DoubleType()).as_pointer()

    def in_bytes(self, count: Any) -> Any:
        """So many values, in bytes."""
        return self.builder.mul(count, simd.number(self.bytes))

    def pointer(self, address: Any, *offsets: Any) -> Any:
        """A pointer to a value at an address plus offsets in bytes."""
        for offset in offsets:
            address = self.builder.add(address, offset)
        return self.builder.inttoptr(address, self.element)

    def expect_result(self, words: Any) -> None:
        """Prefetch C for writing, so that it has arrived when the sums are done."""
        row, pitch = words.result_address, self.in_bytes(words.result_pitch)
        for _ in self.sums:
            for line in range(0, len(self.sums[0]) * simd.BYTES, LINE):
                simd.prefetch(self.builder, self.pointer(row, simd.number(line)), writing=True)
            row = self.builder.add(row, pitch)

    def any_steps(self, words: Any, a: Any, b: Any, ahead: Any = None) -> None:
        """The loop for any strides of A; with `ahead`, an address, it prefetches from there."""
        builder = self.builder
        lda, step, ldb = (self.in_bytes(w) for w in (words.left_pitch, words.left_step, words.right_pitch))
        twice, thrice = builder.shl(lda, simd.number(1)), builder.mul(lda, simd.number(3))
        moving = [(b, ldb), (a, step)]  # rows in threes share one address register: p, p + lda, p + 2 lda
        for _ in range(1, (len(self.sums) + 2) // 3):
            moving.append((builder.add(moving[-1][0], thrice), step))
        if ahead is not None:
            moving.append((ahead, words.ahead_step))
        places = [cgutils.alloca_once_value(builder, start) for start, _ in moving]
        with cgutils.for_range(builder, words.sums_products):
            now = [self._opaque(builder.load(place)) for place in places]
            if ahead is not None:
                simd.prefetch(builder, self.pointer(now[-1]), writing=False, near=2)
            values = [self.load(self.pointer(now[0]), v) for v in range(len(self.sums[0]))]
            for r, line in enumerate(self.sums):
                beyond = ((), (lda,), (twice,))[r % 3]
                self.add_products(builder.load(self.pointer(now[1 + r // 3], *beyond)), values, line)
            for value, place, (_, apart) in zip(now, places, moving, strict=True):
                builder.store(builder.add(value, apart), place)

    def across_steps(self, words: Any, starts: tuple[Any, Any, Any]) -> None:
        """The loop for an A whose rows lie side by side.

        `starts` are the addresses of A, of B and of what is prefetched ahead.
        """
        builder, total = self.builder, words.sums_products
        at_a, at_b, at_ahead = (cgutils.alloca_once(builder, start.type) for start in starts)
        for start, at in zip(starts, (at_a, at_b, at_ahead), strict=True):
            builder.store(start, at)
        ldb, step = self.in_bytes(words.right_pitch), self.in_bytes(words.left_step)

        def turn(count: Any, together: int) -> None:
            with cgutils.for_range(builder, count):
                p, q, ahead = (self._opaque(builder.load(at)) for at in (at_a, at_b, at_ahead))
                simd.prefetch(builder, self.pointer(ahead), writing=False, near=2)
                for _ in range(together):
                    values = [self.load(self.pointer(q), v) for v in range(len(self.sums[0]))]
                    for r, line in enumerate(self.sums):
                        self.add_products(builder.load(self.pointer(p, simd.number(r * self.bytes))), values, line)
                    p, q = builder.add(p, step), builder.add(q, ldb)
                ahead = builder.add(ahead, words.ahead_step)
                for now, at in zip((p, q, ahead), (at_a, at_b, at_ahead), strict=True):
                    builder.store(now, at)

        if self.together > 1:
            turn(builder.udiv(total, simd.number(self.together)), self.together)
            total = builder.urem(total, simd.number(self.together))
        turn(total, 1)

    def near_steps(self, words: Any, starts: tuple[Any, Any, Any]) -> None:
        """The loop for an A whose values lie side by side, in rows `APART` values apart.

        `starts` are the addresses of A, of B and of what is prefetched ahead.
        """
        builder, total, wide = self.builder, words.sums_products, range(len(self.sums[0]))
        ldb = self.in_bytes(words.right_pitch)
        moving = [*starts, words.awaited_address]
        steps = [simd.number(self.bytes), ldb, words.ahead_step, words.awaited_step]
        places = [cgutils.alloca_once_value(builder, start) for start in moving]

        def turn(count: Any, together: int) -> None:
            with cgutils.for_range(builder, count):
                now = [self._opaque(builder.load(place)) for place in places]
                for _ in range(together):
                    p, q, ahead, awaited = now
                    simd.prefetch(builder, self.pointer(ahead), writing=False)
                    simd.prefetch(builder, self.pointer(awaited), writing=True)
                    values = [self.load(self.pointer(q), v) for v in wide]
                    for v in wide:
                        simd.prefetch(builder, self.pointer(q, simd.number(SOON + v * simd.BYTES)), writing=False)
                    for r, line in enumerate(self.sums):
                        factor = builder.load(self.pointer(p, simd.number(r * APART * self.bytes)))
                        self.add_products(factor, values, line)
                    now = [builder.add(value, step) for value, step in zip(now, steps, strict=True)]
                for value, place in zip(now, places, strict=True):
                    builder.store(value, place)

        if self.together > 1:
            turn(builder.udiv(total, simd.number(self.together)), self.together)
            total = builder.urem(total, simd.number(self.together))
        turn(total, 1)

    def _opaque(self, value: Any) -> Any:
        """The value, of which LLVM must not know how it grows: else it makes a chain of additions of all addresses."""
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [value])
