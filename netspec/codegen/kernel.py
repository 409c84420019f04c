"""The decorator that all kernels wear.

A kernel is a function of arrays and scalars that computes one part of its step: its last two parameters are `part` and
`parts`. It is compiled once for each number type, behind the uniform signature void(descriptor address, part). The
descriptor holds `parts`, then for every parameter an address and its lengths, an integer, or the bits of a real number.

The parameter annotations say what a kernel takes: `Vector` (any array, seen flat), `Matrix`, `Array3`, `Array4` of the
net's number type; `Ints` (int32), `Bytes` (uint8), `Doubles` (float64), `Clock` (int64), all flat; `int`; `Code` (a
Compiled, as an address), `Codes`; `float` (the net's number type), `Double` (float64). An annotation may also be a
NamedTuple class of such fields, as those of `geometry` are: the descriptor holds its fields in order, and the kernel
gets the tuple.
"""

from __future__ import annotations

import inspect
import operator
import struct
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.core.ccallback import CFunc
from numpy.typing import NDArray

from netspec.codegen import cache, environment, sources
from netspec.codegen.geometry import GRAIN, MOST_PARTS
from netspec.codegen.intrinsics import load, load_real, pointer
from netspec.codegen.kinds import FIXED, REAL, param_of

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS = {"contract"}
"""Multiply and add may fuse; nothing is reordered, and NaN and infinities stay what they are."""


def _inside(function: F, **options: Any) -> F:
    """numba.njit for functions that only compiled code calls; for a type checker it changes nothing.

    Without the wrappers for Python and C, a fifth less is compiled (decision 24). A call from Python, which would jump
    into one that is not there, is a TypeError. netspec's own functions allocate nothing and count no references: arrays
    handed on from one to the next would each be counted in and out. Others' may allocate.
    """
    options = {"_nrt": not function.__module__.startswith("netspec.")} | options
    dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)

    def keep(compiled: Any) -> None:  # not in the table in which numba looks up calls from Python
        dispatcher.overloads[tuple(compiled.signature.args)] = compiled

    def refuse(*_: Any, **__: Any) -> None:
        raise TypeError(f"only kernels call {function.__name__}(); its Python text is {function.__name__}.py_func")

    dispatcher.add_overload, dispatcher._compile_for_args = keep, refuse
    return cast(F, dispatcher)


def _typed(options: dict[str, Any]) -> Callable[[F], F]:
    """`_inside` with these options."""
    return partial(_inside, **options)


helper = _typed({"error_model": "numpy", "fastmath": _FLAGS, "nogil": True})
"""For functions that kernels call: compiled into them, cut into no parts."""

# The only sums whose order is the compiler's: it takes as many side by side as the CPU has lanes, always in the same
# way, so the bits repeat on one kind of CPU. NaN and infinities stay what they are (tested).
summing = _typed({"error_model": "numpy", "fastmath": {"contract", "reassoc"}, "nogil": True})
"""For functions that kernels call to add up many values of an array in float64."""

viewing = _typed({"error_model": "numpy", "fastmath": _FLAGS, "nogil": True, "_nrt": True})
"""For functions that kernels call for a part of an array: numba lets no others return one."""


@_typed({"inline": "always"})
def span(count: int, part: int, parts: int) -> tuple[int, int]:
    """First and one past the last of `count` things that belong to `part`."""
    return count * part // parts, count * (part + 1) // parts


@_typed({"inline": "always"})
def following(part: int, parts: int) -> int:
    """The part that a core computes after this one, as far as can be known: for what is fetched ahead; -1: none.

    Half of the cores begin with the first parts, and half with the last ones (`crew`).
    """
    return part + 1 if 2 * part < parts else part - 1


class Compiled:
    """Code that is compiled once for each number type, cached on disk, and called by its address.

    `name` is for people. By `path`, `compile.named` finds it in another process; only generated kernels and those from
    outside netspec have a path that differs from the name.
    """

    def __init__(self, name: str, path: str = "") -> None:
        self.name, self.path = name, path or name
        self._addresses: dict[str, int] = {}
        self._keep: list[CFunc] = []

    def __repr__(self) -> str:
        return self.name

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        raise NotImplementedError

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile for float32 or float64, and how many int64 arguments it takes; it returns nothing."""
        raise NotImplementedError

    def address(self, dtype: str) -> int:
        """Address of the code for float32 or float64; compiles it or loads it from the cache at first use."""
        if dtype not in self._addresses:
            environment.check()
            function, count = self.wrapper(dtype)
            signature = (types.void(*[types.int64] * count).args, types.void)
            compiled = CFunc(function, signature, {}, {"nopython": True, "error_model": "numpy"})
            cache.keep(compiled, function)
            with sources.refusals(self.name, self.path):
                compiled.compile()
            if not compiled.cache_hits:
                cache.tell(self.name)
            self._keep.append(compiled)
            self._addresses[dtype] = int(compiled.address)
        return self._addresses[dtype]

    def cached(self, dtype: str) -> bool:
        """Whether its compiled form is at hand, in this process or in the cache folder."""
        return dtype in self._addresses or cache.kept(self.wrapper(dtype)[0])


class JitKernel(Compiled):
    """A kernel: its Python text, and its compiled form for each number type."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        super().__init__(*sources.names_of(self.function))
        self.kinds = list(inspect.signature(function).parameters.values())
        names = [p.name for p in self.kinds]
        if names[-2:] != ["part", "parts"]:
            raise TypeError(f"kernel {self.name} must end with part, parts")
        self.params = [param_of(p.name, p.annotation, function.__globals__) for p in self.kinds[:-2]]
        self.leaves = [leaf for param in self.params for leaf in param.leaves()]
        self.tables = sum(leaf.kind == "Codes" for leaf in self.leaves)

    @cached_property
    def inner(self) -> Any:
        """The function as numba compiles it into callers."""
        return _inside(self.function, error_model="numpy", fastmath=_FLAGS, nogil=True)

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return len(self.function.__code__.co_code) + 4 * len(self.function.__code__.co_names)

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """void(descriptor, part): unpacks the descriptor into arrays and scalars, and calls the kernel."""
        lines, at = [], 1
        for path, kind, *_ in self.leaves:
            name = path.replace(".", "_")
            if kind in REAL or kind in FIXED:
                rank = REAL.get(kind, 1)
                lengths = ", ".join(f"load(d, {at + 1 + axis})" for axis in range(rank))
                number = "real" if kind in REAL else FIXED[kind]
                lines.append(f"    {name} = carray(pointer(load(d, {at})), ({lengths},), {number})")
                at += 1 + rank
            elif kind in ("int", "Code"):
                lines.append(f"    {name} = load(d, {at})")
                at += 1
            elif kind == "float":
                lines.append(f"    {name} = real(load_real(d, {at}))")
                at += 1
            elif kind == "Double":
                lines.append(f"    {name} = load_real(d, {at})")
                at += 1
            else:
                raise TypeError(f"kernel {self.name}: parameter '{path}' has the unknown annotation {kind!r}")
        words = [param.rebuilt() for param in self.params]
        name = sources.file_name(self.function, dtype)
        text = f"def {name}(d, part):\n" + "\n".join(lines) + f"\n    inner({', '.join(words)}, part, load(d, 0))\n"
        scope = {
            "load": load,
            "load_real": load_real,
            "pointer": pointer,
            "carray": numba.carray,
            "inner": self.inner,
        }
        scope |= {name: record for param in self.params for name, record in param.records().items()}
        scope |= {
            "real": getattr(np, dtype),
            "int32": np.int32,
            "uint8": np.uint8,
            "float64": np.float64,
            "int64": np.int64,
            "__name__": __name__,
        }
        exec(compile(text, __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), 2

    def parts(self, args: tuple[Any, ...]) -> int:
        """The default cut: by the first array's size."""
        size = next((a.size for a in args if isinstance(a, np.ndarray)), 1)
        return max(1, min(MOST_PARTS, size // GRAIN))

    def describe(self, args: tuple[Any, ...], parts: int, dtype: str) -> tuple[list[int], list[NDArray[Any]]]:
        """The descriptor of a call, and the arrays that must outlive it. Raises TypeError where one does not fit."""
        if len(args) != len(self.params):
            raise TypeError(f"kernel {self.name} takes {len(self.params)} arguments, not {len(args)}")
        words, alive = [parts], []
        try:
            given = [one for param, value in zip(self.params, args, strict=True) for one in param.flat(value)]
        except TypeError as error:
            raise TypeError(f"kernel {self.name}: {error}") from None
        for (name, kind, *_), value in zip(self.leaves, given, strict=True):
            if kind == "Codes":
                value = np.array([one.address(dtype) if one is not None else 0 for one in value], np.int64)
            if kind in REAL or kind in FIXED:
                array = self._array(name, kind, value, dtype)
                alive.append(array)
                words += [array.ctypes.data, *array.shape]
            elif kind == "int":
                words.append(self._int(name, value))
            elif kind == "Code":
                words.append(self._code(name, value).address(dtype))
            else:
                words.append(struct.unpack("<q", struct.pack("<d", float(value)))[0])
        return words, alive

    def _int(self, name: str, value: Any) -> int:
        try:
            return operator.index(value)
        except TypeError:
            raise TypeError(
                f"kernel {self.name}: '{name}' must be a whole number, not {type(value).__name__}"
            ) from None

    def _code(self, name: str, value: Any) -> Compiled:
        if not isinstance(value, Compiled):
            raise TypeError(f"kernel {self.name}: '{name}' must be something compiled, not {type(value).__name__}")
        return value

    def _array(self, name: str, kind: str, value: Any, dtype: str) -> NDArray[Any]:
        wanted = dtype if kind in REAL else FIXED[kind]
        rank = REAL.get(kind, 1)
        if not isinstance(value, np.ndarray) or value.dtype != wanted or not value.flags.c_contiguous:
            found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise TypeError(f"kernel {self.name}: '{name}' must be a contiguous {wanted} array, not {found}")
        if rank == 1:
            return value.reshape(-1)
        if value.ndim != rank:
            raise TypeError(f"kernel {self.name}: '{name}' must have {rank} axes, not {value.ndim}")
        return value


def kernel(function: Callable[..., None]) -> JitKernel:
    """Make a kernel of a function that computes one part of a step."""
    return JitKernel(function)
