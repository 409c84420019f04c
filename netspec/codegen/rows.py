"""Loops over consecutive numbers, whose body is written once, in Python, on vectors.

    @rows()
    def axpy(x: Row, y: Row, a: Real) -> None:
        y.put(a * x.get() + y.get())

makes an intrinsic that a kernel calls as axpy(count, x, x0, y, y0, a), for flat arrays:
y[y0 : y0+count] += a * x[x0 : x0+count]. The body is run three times when the kernel is compiled: for several registers
at a time (`group`), for a single register, and under a mask for the rest of a row. A vector is read before any behind
it is written, so x and y may be the same memory. A product and a sum may fuse; nothing is reordered, and NaN and
infinities stay what they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.codegen import series, simd
from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.row_loop import over_a_row, spread_over
from netspec.codegen.simd import BYTES

_INDEX, _WORD = ir.IntType(32), ir.IntType(64)
_CONTRACT = ("contract",)


class Value:
    """A vector, or a 64-bit whole number that all lanes share, in the program that is being written."""

    def __init__(self, loop: _Loop, value: Any) -> None:
        self.loop, self.value = loop, value

    def _with(self, other: Any) -> Any:
        """The other operand, as a vector of this type."""
        if isinstance(other, Value):
            return other.value
        kind = self.value.type
        if isinstance(kind, ir.VectorType):
            return ir.Constant(kind, [kind.element(other)] * kind.count)
        return ir.Constant(kind, other)

    def _do(self, real: str, whole: str, other: Any, swap: bool = False) -> Value:
        a, b = self.value, self._with(other)
        a, b = (b, a) if swap else (a, b)
        builder = self.loop.builder
        if _is_real(a.type):
            return Value(self.loop, getattr(builder, real)(a, b, flags=_CONTRACT))
        return Value(self.loop, getattr(builder, whole)(a, b))

    def __add__(self, other: Any) -> Value:
        return self._do("fadd", "add", other)

    def __radd__(self, other: Any) -> Value:
        return self._do("fadd", "add", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._do("fsub", "sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._do("fsub", "sub", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._do("fmul", "mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._do("fmul", "mul", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._do("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._do("fdiv", "sdiv", other, True)

    def __neg__(self) -> Value:
        builder = self.loop.builder
        return Value(self.loop, (builder.fneg if _is_real(self.value.type) else builder.neg)(self.value))

    def __or__(self, other: Value) -> Value:
        return Value(self.loop, self.loop.builder.or_(self.value, other.value))

    def __xor__(self, other: Value) -> Value:
        return Value(self.loop, self.loop.builder.xor(self.value, other.value))

    def __rshift__(self, bits: int) -> Value:
        return Value(self.loop, self.loop.builder.lshr(self.value, self._with(bits)))

    def _compare(self, word: str, other: Any) -> Value:
        builder, b = self.loop.builder, self._with(other)
        if not _is_real(self.value.type):
            return Value(self.loop, builder.icmp_signed(word, self.value, b))
        return Value(self.loop, (builder.fcmp_unordered if word == "!=" else builder.fcmp_ordered)(word, self.value, b))

    def __gt__(self, other: Any) -> Value:
        return self._compare(">", other)

    def __lt__(self, other: Any) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Value:
        return self._compare("<=", other)

    def __ge__(self, other: Any) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Any) -> Value:
        """A mask of the lanes where the two are equal."""
        return self._compare("==", other)

    def is_nan(self) -> Value:
        """A mask of the lanes that are NaN."""
        return self._compare("!=", self)

    def where(self, mask: Value, other: Any) -> Value:
        """This value in the lanes of the mask, `other` in the rest."""
        return Value(self.loop, self.loop.builder.select(mask.value, self.value, self._with(other)))

    def cleared(self, mask: Value) -> Value:
        """This value, with 0 in the lanes of the mask."""
        zero = ir.Constant(self.value.type, None)
        return Value(self.loop, self.loop.builder.select(mask.value, zero, self.value))

    def sqrt(self) -> Value:
        """The square root of each lane."""
        return cast(Value, series.called("sqrt", self))

    def share(self) -> Value:
        """1 / a whole number, in float64."""
        return Value(self.loop, self.loop.builder.sitofp(self.value, ir.DoubleType())).__rtruediv__(1.0)

    def exp(self) -> Value:
        """e to the power of each lane."""
        return cast(Value, series.exp(self))

    def log(self) -> Value:
        """The natural logarithm of each lane."""
        return cast(Value, series.log(self))

    def log1p(self) -> Value:
        """The natural logarithm of 1 + each lane."""
        return cast(Value, series.log1p(self))

    def tanh(self) -> Value:
        """The hyperbolic tangent of each lane."""
        return cast(Value, series.tanh(self))

    def erf(self) -> Value:
        """The error function of each lane."""
        return cast(Value, series.erf(self))

    def abs(self) -> Value:
        """Each lane without its sign."""
        return cast(Value, series.called("fabs", self))

    def maximum(self, other: Any) -> Value:
        """The larger of the two in each lane; NaN where this value is NaN."""
        return Value(self.loop, self._with(other)).where(self < other, self)

    def minimum(self, other: Any) -> Value:
        """The smaller of the two in each lane; NaN where this value is NaN."""
        return Value(self.loop, self._with(other)).where(self > other, self)

    def power(self, exponent: Value) -> Value:
        """Each lane to the power of the other's, as C's pow."""
        return cast(Value, series.called("pow", self, exponent))

    def spread(self, like: Row | Value) -> Value:
        """One number in every lane, as what the row or vector holds."""
        kind = like.kind if isinstance(like, Row) else like.value.type
        value = Value(self.loop, self.value).cast(kind.element)
        return Value(self.loop, spread_over(self.loop.builder, value.value, kind))

    def to(self, like: Row) -> Value:
        """A vector as what the row holds."""
        return self.cast(like.kind)

    def double(self) -> Value:
        """A vector in float64."""
        return self.cast(ir.VectorType(ir.DoubleType(), self.loop.lanes))

    def cast(self, kind: Any) -> Value:
        """The numbers as another kind, which is of the same family or, from whole to real ones, wider."""
        builder, value = self.loop.builder, self.value
        old, new = getattr(value.type, "element", value.type), getattr(kind, "element", kind)
        if old == new:
            return self
        if _is_real(new):
            change = (
                builder.sitofp if not _is_real(old) else builder.fpext if new == ir.DoubleType() else builder.fptrunc
            )
        else:
            change = builder.trunc
        return Value(self.loop, change(value, kind))


class Variable:
    """A value that changes in a loop."""

    def __init__(self, value: Value) -> None:
        self._loop = value.loop
        self._place = cgutils.alloca_once(self._loop.builder, value.value.type)
        self.set(value)

    def get(self) -> Value:
        """The current value."""
        return Value(self._loop, self._loop.builder.load(self._place))

    def set(self, value: Value) -> None:
        """Replace the value."""
        self._loop.builder.store(value.value, self._place)


class Row:
    """A row of an array, of which a body sees one vector at a time."""

    def __init__(self, loop: _Loop, start: Any, element: Any) -> None:
        self.loop, self.start, self.element = loop, start, element

    @property
    def kind(self) -> Any:
        """The type of the row's vectors."""
        return ir.VectorType(self.element, self.loop.lanes)

    def places(self) -> Value:
        """The places in the row that this vector holds, as whole numbers."""
        kind = ir.VectorType(_WORD, self.loop.lanes)
        start = Value(self.loop, spread_over(self.loop.builder, self.loop.position, kind))
        return start + Value(self.loop, ir.Constant(kind, list(range(self.loop.lanes))))

    def fill(self, number: float) -> Value:
        """A vector of one number that is known now."""
        return Value(self.loop, ir.Constant(self.kind, [self.element(number)] * self.loop.lanes))

    def get(self, offset: Value | None = None) -> Value:
        """The numbers of this vector, or those `offset` behind them. Past the end of the row: 0."""
        loop, kind, at = self.loop, self.kind, self._at(offset)
        if loop.mask is None:
            return Value(loop, loop.builder.load(at, align=self._bytes))
        bytes, nothing = ir.Constant(_INDEX, self._bytes), ir.Constant(kind, None)
        return Value(loop, loop.call(f"llvm.masked.load.{self._name}.p0", kind, at, bytes, loop.mask, nothing))

    def number(self, at: Value) -> Value:
        """The number at a place of the row, in every lane."""
        place = self.loop.builder.gep(self.start, [at.value])
        return Value(self.loop, self.loop.builder.load(place)).spread(self)

    def put(self, value: Value, offset: Value | None = None) -> None:
        """Write the numbers of this vector."""
        loop, at = self.loop, self._at(offset)
        if loop.mask is None:
            loop.builder.store(value.value, at, align=self._bytes)
        else:
            name = f"llvm.masked.store.{self._name}.p0"
            loop.call(name, ir.VoidType(), value.value, at, ir.Constant(_INDEX, self._bytes), loop.mask)

    def stream(self, value: Value, offset: Value, far: Value) -> None:
        """Write the numbers; past the caches if `far`, and if they lie as the CPU wants. `simd.settle` must follow."""
        if self.loop.mask is not None:
            self.put(value, offset)
        else:
            simd.stream_far(self.loop.builder, value.value, self._at(offset), far.value, self._bytes)

    def prefetch(self, offset: Value, unless: Value | None = None) -> None:
        """Ask the second cache for the numbers `offset` behind this vector, which need not exist; not if `unless`."""
        builder, at = self.loop.builder, self._at(offset)
        line = max(1, simd.LINE // self._bytes)
        start = builder.bitcast(at, self.element.as_pointer())
        with builder.if_then(builder.icmp_signed("==", unless.value if unless else simd.number(0), simd.number(0))):
            for i in range(0, self.loop.lanes, line):
                simd.prefetch(builder, builder.gep(start, [ir.Constant(_WORD, i)]), writing=False, near=2)

    @property
    def _bytes(self) -> int:
        return {"float": 4, "double": 8, "i8": 1, "i32": 4}[str(self.element)]

    @property
    def _name(self) -> str:
        return f"v{self.loop.lanes}{ {'float': 'f32', 'double': 'f64'}.get(str(self.element), str(self.element)) }"

    def _at(self, offset: Value | None) -> Any:
        builder = self.loop.builder
        place = self.loop.position if offset is None else builder.add(self.loop.position, offset.value)
        return builder.bitcast(builder.gep(self.start, [place]), self.kind.as_pointer())


Real = Value
"""One real number, in every lane."""
Whole = Value
"""One whole number."""


class _Loop:
    """The vector that a body is written for: its number of lanes, its position in the row, and a mask or None."""

    def __init__(self, builder: Any, lanes: int, position: Any, mask: Any) -> None:
        self.builder, self.lanes, self.position, self.mask = builder, lanes, position, mask

    def call(self, name: str, result: Any, *args: Any) -> Any:
        kind = ir.FunctionType(result, [a.type for a in args])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), args)


def times(count: Value) -> Iterator[Value]:
    """A loop in the written program: the body of a `for` over this runs `count` times there."""
    with cgutils.for_range(count.loop.builder, count.value) as loop:
        yield Value(count.loop, loop.index)


def rows(group: int = 1, again: bool = False) -> Callable[[Callable[..., None]], Any]:
    """Make an intrinsic of a body that may see `group` registers as a single vector.

    `again`: the body never reads what it writes, so it may write a number twice. Then the rest of a row is taken
    together with numbers before it.
    """

    def decorate(body: Callable[..., None]) -> Any:
        made = _Intrinsic(body)

        def loop(typing: Any, *given: Any) -> Any:
            wanted, lanes = made.types(given)

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                def write(size: int, position: Any, mask: Any) -> None:
                    made.write(context, _Loop(builder, size, position, mask), signature.args, args)

                over_a_row(builder, args[0], lanes, group, again, write)
                return context.get_dummy_value()

            return types.void(types.int64, *wanted), generate

        loop.__name__ = body.__name__
        loop.__signature__ = made.signature()  # type: ignore[attr-defined]  # numba asks a function of any arguments
        return intrinsic(loop)

    return decorate


class _Intrinsic:
    """A body and the kinds of its parameters."""

    def __init__(self, body: Callable[..., None]) -> None:
        self.body = body
        parameters, space = inspect.signature(body).parameters, body.__globals__
        self.kinds = {name: str(parameter.annotation) for name, parameter in parameters.items()}
        self.records = {kind: space[kind] for kind in self.kinds.values() if hasattr(space.get(kind), "_fields")}
        self.places = _places(list(self.kinds.values()))

    def signature(self) -> inspect.Signature:
        """The intrinsic's parameters: the rows' length, then those of the body; a row is an array and an offset."""
        names = ["typing", "length"]
        for name, kind in self.kinds.items():
            names += [name, f"{name}0"] if kind == "Row" else [name]
        return inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def types(self, given: tuple[Any, ...]) -> tuple[list[Any], int]:
        """numba's types of the arguments behind the length, and how many numbers a register holds."""
        arrays = [kind for kind in given[1:] if isinstance(kind, types.Array)]
        lanes = BYTES * 8 // min(kind.dtype.bitwidth for kind in arrays if isinstance(kind.dtype, types.Float))
        reals = types.float32 if lanes * 32 == BYTES * 8 else types.float64
        wanted: list[Any] = []
        for kind, place in zip(self.kinds.values(), self.places, strict=True):
            as_given = kind == "Row" or kind in self.records
            wanted.append(given[place] if as_given else reals if kind == "Real" else types.int64)
            wanted += [types.int64] * (kind == "Row")
        return wanted, lanes

    def write(self, context: Any, loop: _Loop, given: Any, args: Any) -> None:
        """Write the body for the vector that a loop is at."""
        kinds = [self.records.get(kind, kind) for kind in self.kinds.values()]
        self.body(*map(partial(_operand, context, loop, given, args), kinds, self.places))


def _places(kinds: list[str]) -> list[int]:
    """Index of each parameter among the arguments; a row takes two, array and offset."""
    return list(accumulate((1 + (kind == "Row") for kind in kinds[:-1]), initial=1))


def _operand(context: Any, loop: _Loop, given: Any, args: Any, kind: Any, place: int) -> Any:
    """The operand that a body gets for a parameter: a row, a number, or a named tuple of whole numbers."""
    if kind == "Row":
        array = context.make_array(given[place])(context, loop.builder, args[place])
        return Row(loop, loop.builder.gep(array.data, [args[place + 1]]), context.get_data_type(given[place].dtype))
    if kind == "Real":
        return Value(loop, spread_over(loop.builder, args[place], ir.VectorType(args[place].type, loop.lanes)))
    if kind == "Whole":
        return Value(loop, args[place])
    return kind(*(Value(loop, number) for number in cgutils.unpack_tuple(loop.builder, args[place])))


def _is_real(kind: Any) -> bool:
    return str(getattr(kind, "element", kind)) in ("float", "double")
