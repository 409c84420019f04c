"""Streams: products of a large matrix with few rows, where memory sets the pace.

The matrix is read once, in long runs, with all lanes at work.
`dots`: C[r, s] = sum over i of A[r, i] * B[s, i]; both are read along their rows, and lanes meet once, at the end.
`walk`: C[r, j] = sum over i of A[r*lda + i*step] * B[i*ldb + j] for few i: a walk along whole rows of B and C.
Like the register tiles (`tiles`) they are compiled once for each size and number type, and called by address.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, cast

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.kernel import Compiled

DOTS = ("k", "a", "lda", "b", "ldb", "c", "ldc", "step", "adding")
"""Addresses a, b, c are in bytes, all else in values: C[r, s] is written, or added to, at c + r*ldc + s*step."""
WALK = ("columns", "a", "lda", "step", "b", "ldb", "c", "ldc", "adding")
FEW_COLUMNS = 4
"""Columns of a dot tile."""
SUMS = simd.REGISTERS // 2 if simd.REGISTERS == 32 else 9
"""Registers for the sums of a dot tile; the others hold a value of every row of A and one of B."""
STEPS = 8
"""Rows of B and C in a walk: as many streams as a core's prefetcher follows."""


def _dots(rows: int, columns: int, bytes: int) -> Any:
    """The intrinsic of one size of dot tile for numbers of `bytes` bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        k, a, lda, b, ldb, c, ldc, step, adding = args
        whole = simd.Vectors(builder, bytes, masked=False)
        a, b, c = pointers(builder, whole, a, b, c)
        sums = [[cgutils.alloca_once_value(builder, whole.zero) for _ in range(columns)] for _ in range(rows)]
        left, right = _lines(builder, a, lda, rows), _lines(builder, b, ldb, columns)

        def products(emit: simd.Vectors, mask: Any, at: Any) -> None:
            values = [emit.load(builder.gep(line, [at]), mask) for line in left]
            for s, line in enumerate(right):
                factor = emit.load(builder.gep(line, [at]), mask)
                for r, value in enumerate(values):
                    builder.store(emit.multiply_add(factor, value, builder.load(sums[r][s])), sums[r][s])

        along(builder, bytes, k, products)
        _add_lanes(builder, whole, sums, (c, ldc, step, adding))
        return context.get_dummy_value()

    return simd.intrinsic_of(DOTS, generate)


def _add_lanes(builder: Any, whole: simd.Vectors, sums: Any, ends: tuple[Any, ...]) -> None:
    """Add up the lanes of each sum, and write it or add it to C."""
    c, ldc, step, adding = ends
    number, name = whole.kind.element, f"llvm.vector.reduce.fadd.v{whole.lanes}f{8 * whole.bytes}"
    reduce = cgutils.get_or_insert_function(builder.module, ir.FunctionType(number, [number, whole.kind]), name)
    for r, line in enumerate(sums):
        for s, total in enumerate(line):
            place = builder.gep(c, [builder.add(builder.mul(ldc, simd.number(r)), builder.mul(step, simd.number(s)))])
            value = builder.call(reduce, [ir.Constant(number, 0.0), builder.load(total)], fastmath=("reassoc",))
            with builder.if_then(_true(builder, adding)):
                builder.store(builder.fadd(builder.load(place), value), place)
            with builder.if_then(builder.not_(_true(builder, adding))):
                builder.store(value, place)


def _walk(rows: int, steps: int, bytes: int) -> Any:
    """The intrinsic of one size of walk for numbers of `bytes` bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns, a, lda, step, b, ldb, c, ldc, adding = args
        a, b, c = pointers(builder, simd.Vectors(builder, bytes, masked=False), a, b, c)
        left, right, results = (
            _lines(builder, a, lda, rows),
            _lines(builder, b, ldb, steps),
            _lines(builder, c, ldc, rows),
        )
        factors = [[builder.gep(line, [builder.mul(step, simd.number(i))]) for i in range(steps)] for line in left]

        def go(held: bool) -> None:
            def products(emit: simd.Vectors, mask: Any, at: Any) -> None:
                values = [emit.load(builder.gep(line, [at]), mask) for line in right]
                for line, own in zip(results, factors, strict=True):
                    place = builder.gep(line, [at])
                    total = emit.load(place, mask) if held else emit.zero
                    for value, factor in zip(values, own, strict=True):
                        total = emit.multiply_add(emit.spread(builder.load(factor)), value, total)
                    emit.store(total, place, mask)

            along(builder, bytes, columns, products)

        with builder.if_else(_true(builder, adding)) as (then, otherwise):
            with then:
                go(True)
            with otherwise:
                go(False)
        return context.get_dummy_value()

    return simd.intrinsic_of(WALK, generate)


def along(builder: Any, bytes: int, count: Any, body: Callable[[simd.Vectors, Any, Any], None]) -> None:
    """body(vectors, mask, place) for each vector of a row of `count` numbers; the last may be cut short."""
    whole, cut = simd.Vectors(builder, bytes, masked=False), simd.Vectors(builder, bytes, masked=True)
    lanes = simd.number(whole.lanes)
    vectors = builder.udiv(count, lanes)
    with cgutils.for_range(builder, vectors) as loop:
        body(whole, None, builder.mul(loop.index, lanes))
    done = builder.mul(vectors, lanes)
    rest = builder.sub(count, done)
    with builder.if_then(_true(builder, rest)):
        body(cut, cut.mask(rest), done)


def pointers(builder: Any, whole: simd.Vectors, *addresses: Any) -> list[Any]:
    """Addresses of numbers."""
    return [builder.inttoptr(address, whole.kind.element.as_pointer()) for address in addresses]


def _lines(builder: Any, start: Any, pitch: Any, count: int) -> list[Any]:
    """The addresses of `count` rows."""
    return [builder.gep(start, [builder.mul(pitch, simd.number(r))]) for r in range(count)]


def _true(builder: Any, number: Any) -> Any:
    return builder.icmp_signed("!=", number, simd.number(0))


class Stream(Compiled):
    """Code of one kind and size, that kernels call by its address.

    `kinds` says how each is emitted, and the words of its arguments.
    """

    kinds: ClassVar[dict[str, tuple[Callable[..., Any], tuple[str, ...]]]] = {
        "dots": (_dots, DOTS),
        "walk": (_walk, WALK),
    }
    module: ClassVar[str] = "streams"

    def __init__(self, kind: str, *size: int) -> None:
        super().__init__("_".join((f"{self.module}.{kind}", *map(str, size))))
        self.kind, self.size = kind, size

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 300 + 30 * self.size[0] * self.size[1]

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile, and its number of arguments."""
        emit, arguments = self.kinds[self.kind]
        name, words = f"{self.name.replace('.', '_')}_{dtype}", ", ".join(arguments)
        scope = {"emit": emit(*self.size, 4 if dtype == "float32" else 8), "__name__": __name__}
        exec(compile(f"def {name}({words}):\n    emit({words})\n", __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), len(arguments)

    @classmethod
    def named(cls, name: str) -> Stream:
        """`dots_3_8`: by its name, for the process that compiles others' kernels. Raises AttributeError."""
        kind, *size = name.split("_")
        if kind not in cls.kinds:
            raise AttributeError(name)
        return cast(Stream, made(cast(Any, cls), kind, *map(int, size)))


@cache
def made(cls: Any, kind: str, *size: int) -> Any:
    """The stream of a kind and size."""
    return cls(kind, *size)


def stream(kind: str, first: int, second: int) -> Stream:
    """A dot tile of rows and columns, or a walk of rows of C and of B."""
    return cast(Stream, made(Stream, kind, first, second))


def __getattr__(name: str) -> Stream:
    return Stream.named(name)


call = simd.caller(len(WALK))
"""call(code, *DOTS), call(code, *WALK): call a stream by its address; both take as many words."""
