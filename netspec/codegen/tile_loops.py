"""The loops of register tiles over their products, in LLVM's own language.

Where it is known that A's values lie side by side, addresses are made from few registers and are opaque to LLVM, which
would else add them up in one long chain, row after row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import LINE

TOGETHER = 2
"""Products of a turn of the loop where the kind of tile is known."""


class Loop:
    """Writes the loop over the products of a tap.

    `sums` are the places of the sums, by row and vector. `load(row, v)` reads the v-th vector of a row of B, and
    `add_products(factor, values, line)` adds a factor times these vectors to a line of sums.
    """

    def __init__(self, builder: Any, bytes: int, sums: list[list[Any]], load: Any, add_products: Any) -> None:
        self.builder, self.bytes, self.sums, self.load, self.add_products = builder, bytes, sums, load, add_products
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

    def any_steps(self, words: Any, a: Any, b: Any) -> None:
        """The loop for any strides of A."""
        builder, lda = self.builder, words.left_pitch
        twice, thrice = builder.shl(lda, simd.number(1)), builder.mul(lda, simd.number(3))
        groups = [self.pointer(a)]  # rows in threes share one address register: p, p + lda, p + 2 lda
        for _ in range(1, (len(self.sums) + 2) // 3):
            groups.append(builder.gep(groups[-1], [thrice]))
        panel = self.pointer(b)
        with cgutils.for_range(builder, words.sums_products) as product:
            row = builder.gep(panel, [builder.mul(product.index, words.right_pitch)])
            values = [self.load(row, v) for v in range(len(self.sums[0]))]
            at = builder.mul(product.index, words.left_step)
            for r, line in enumerate(self.sums):
                place = builder.gep(groups[r // 3], [at])
                place = builder.gep(place, [(twice, lda)[r % 3 == 1]]) if r % 3 else place
                self.add_products(builder.load(place), values, line)

    def fixed_steps(self, words: Any, starts: tuple[Any, Any, Any], along: bool) -> None:
        """The loop for an A whose values lie side by side, along its rows or else across them.

        `starts` are the addresses of A, of B and of what is prefetched ahead.
        """
        builder, total = self.builder, words.sums_products
        at_a, at_b, at_ahead = (cgutils.alloca_once(builder, start.type) for start in starts)
        for start, at in zip(starts, (at_a, at_b, at_ahead), strict=True):
            builder.store(start, at)
        ldb = self.in_bytes(words.right_pitch)
        row_of = self._along(self.in_bytes(words.left_pitch)) if along else self._across(self.in_bytes(words.left_step))
        steps = self._multiples(ldb, TOGETHER)

        def turn(count: Any, together: int) -> None:
            with cgutils.for_range(builder, count):
                p, q = self._opaque(builder.load(at_a)), self._opaque(builder.load(at_b))
                place, next_p = row_of(p, together)
                ahead = self._opaque(builder.load(at_ahead))
                for i in range(together):
                    simd.prefetch(builder, self.pointer(ahead), writing=False)
                    ahead = builder.add(ahead, words.ahead_step)
                    row = builder.add(q, steps[i])
                    values = [self.load(self.pointer(row), v) for v in range(len(self.sums[0]))]
                    for r, line in enumerate(self.sums):
                        self.add_products(builder.load(place(r, i)), values, line)
                builder.store(next_p, at_a)
                builder.store(ahead, at_ahead)
                builder.store(builder.add(q, builder.mul(ldb, simd.number(together))), at_b)

        turn(builder.udiv(total, simd.number(TOGETHER)), TOGETHER)
        turn(builder.urem(total, simd.number(TOGETHER)), 1)

    def _along(self, lda: Any) -> Any:
        """Places of A's values along its rows: nine rows are reached from one register by multiples of the pitch."""
        rows = self._multiples(lda, 9)

        def begin(p: Any, together: int) -> Any:
            bases = [p]
            for _ in range(9, len(self.sums), 9):
                bases.append(self._opaque(self.builder.add(bases[-1], self.builder.mul(lda, simd.number(9)))))

            def place(r: int, i: int) -> Any:
                return self.pointer(bases[r // 9], rows[r % 9], simd.number(i * self.bytes))

            return place, self.builder.add(p, simd.number(together * self.bytes))

        return begin

    def _across(self, step: Any) -> Any:
        """Places of A's values across its rows: neighbours of the first row's."""

        def begin(p: Any, together: int) -> Any:
            bases = [p]
            for _ in range(together):
                bases.append(self.builder.add(bases[-1], step))

            def place(r: int, i: int) -> Any:
                return self.pointer(bases[i], simd.number(r * self.bytes))

            return place, bases[-1]

        return begin

    def _multiples(self, value: Any, count: int) -> list[Any]:
        """0, 1, 2, ... times a value, of which x86 reaches the even ones from the odd ones without another register."""
        odd = {n: self.builder.mul(value, simd.number(n)) for n in range(1, count, 2)}
        found = [simd.number(0)]
        for n in range(1, count):
            twos = (n & -n).bit_length() - 1
            found.append(self.builder.shl(odd[n >> twos], simd.number(twos)) if twos else odd[n])
        return found

    def _opaque(self, value: Any) -> Any:
        """The value, of which LLVM must not know how it grows: else it makes a chain of additions of all addresses."""
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [value])
