"""The one decorator all kernels wear, and the driver that runs a table of them.

A kernel is a function of arrays and scalars that computes one part of its step: its last two parameters are `part` and `parts`.
It is compiled once per number type, behind the uniform signature void(descriptor address, part): the descriptor holds `parts`,
then for every parameter an address and its lengths, an integer, or the bits of a real number. `drive` walks a table of
(function address, descriptor address, parts) with one parallel loop a step, so results cannot depend on the number of threads.

Compiled code is cached in the user's cache folder, below a digest of all kernel sources and of the host CPU, that of a
plug-in or a code file under a digest of its own (`sources`): an edit can never meet a stale compile. The parameter
annotations say what a kernel takes: `Vector` (any array, seen flat), `Matrix`, `Array3`, `Array4` of the net's number
type; `Ints` (int32), `Bytes` (uint8), `Doubles` (float64), `Clock` (int64), all flat; `int`; `Code` (something else
that is Compiled, as an address), `Codes`; `float` (the net's number type). It may also be a NamedTuple class of such
fields, as those of `geometry` are: the descriptor holds its fields in order, and the kernel gets the tuple.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import operator
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.ccallback import CFunc
from numba.extending import intrinsic
from numpy.typing import NDArray

from netspec.codegen import sources
from netspec.codegen.geometry import GRAIN, MOST_PARTS
from netspec.core.calls import Call

if os.environ.keys().isdisjoint(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
    # A thread that is done spins about 50 us for the others, then sleeps. GNU's own 300,000 turns outlast a time slice: with another
    # process on one of two cores a step took four to six times as long (benchmarks/README.md). Read when numba starts its threads.
    os.environ["GOMP_SPINCOUNT"] = "1000"

F = TypeVar("F", bound=Callable[..., Any])

_REAL = {"Vector": 1, "Matrix": 2, "Array3": 3, "Array4": 4}
_FIXED = {"Ints": "int32", "Bytes": "uint8", "Doubles": "float64", "Clock": "int64", "Codes": "int64"}
_FLAGS = {"contract"}
"""Multiply and add may fuse; nothing is reordered, and NaN and infinities stay what they are."""

WORTH_A_PROCESS = 2
"""Kernels to compile that pay for the start of a process."""
MOST_PROCESSES = 4
"""Processes that compile at the same time; each takes some 300 MB."""

compiling: list[Callable[[str], None]] = []
"""Who is told the name of each kernel that is compiled anew (not loaded from the cache)."""


@cache
def digest() -> str:
    """Names the state of all kernel sources, of numba, and of the host CPU."""
    state = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in (p for folder in ("kernels", "codegen") for p in sorted((package / folder).glob("*.py"))):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    features = llvm.get_host_cpu_features().flatten()
    chosen = (os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NETSPEC_VECTOR_BYTES"))
    for word in (numba.__version__, np.__version__, llvm.get_host_cpu_name(), features, *chosen):
        state.update(word.encode() + b"\0")
    return state.hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """Where compiled kernels are kept: NETSPEC_CACHE_DIR or the user's cache folder, below it one folder a digest."""
    from platformdirs import user_cache_dir

    root = Path(os.environ.get("NETSPEC_CACHE_DIR") or user_cache_dir("netspec"))
    return root / "kernels" / digest()


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Files a compiled function under its own name in the digest's folder."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._py_file = function.__code__.co_filename
        self._function = function

    def get_cache_path(self) -> str:
        return _scratch_folder() if sources.UNKEPT in self._function.__name__ else str(cache_folder())

    def get_source_stamp(self) -> str:
        return digest()

    def get_disambiguator(self) -> str:
        return "0"

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator | None:
        locator = cls(py_func)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _Scratch(_Locator):
    """Where the cache folder cannot be written: a folder of this process's own."""

    def get_cache_path(self) -> str:
        return _scratch_folder()


@cache
def _scratch_folder() -> str:
    import atexit
    import shutil

    folder = tempfile.mkdtemp(prefix="netspec-kernels-")
    atexit.register(shutil.rmtree, folder, True)
    return folder


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator, _Scratch]  # noqa: RUF012 - numba's own name


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def _intrinsic(function: F) -> F:
    """numba.extending.intrinsic, which for a type checker changes nothing."""
    return cast(F, intrinsic(function))


@_intrinsic
def _load(typingctx: Any, address: Any, index: Any) -> Any:
    """The int64 at a descriptor's place."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], cgutils.voidptr_t)
        pointer = builder.bitcast(pointer, context.get_value_type(types.int64).as_pointer())
        return builder.load(builder.gep(pointer, [args[1]]))

    return types.int64(types.int64, types.int64), generate


@_intrinsic
def _load_real(typingctx: Any, address: Any, index: Any) -> Any:
    """The float64 whose bits are at a descriptor's place."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], context.get_value_type(types.float64).as_pointer())
        return builder.load(builder.gep(pointer, [args[1]]))

    return types.float64(types.int64, types.int64), generate


@_intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    """An address as a pointer that carray takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@_intrinsic
def _call(typingctx: Any, function: Any, descriptor: Any, part: Any) -> Any:
    """Call a compiled kernel by its address."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        pointer = ir.FunctionType(ir.VoidType(), [word, word]).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


def _drive(table: Any, first: int, last: int) -> None:
    for step in range(first, last):
        function, descriptor, parts = table[step, 0], table[step, 1], table[step, 2]
        if parts == 1:
            _call(function, descriptor, 0)  # type: ignore[call-arg]
        else:
            for part in numba.prange(parts):
                _call(function, descriptor, part)  # type: ignore[call-arg]


@cache
def driver() -> Callable[[NDArray[np.int64], int, int], None]:
    """`drive(table, first, last)`: run these steps of a table in order, the parts of each in parallel."""
    dispatcher = numba.njit(parallel=True, nogil=True)(_drive)
    dispatcher._cache = _Cache(_drive)
    known = len(dispatcher.stats.cache_hits)
    dispatcher.compile(types.void(types.int64[:, ::1], types.int64, types.int64))
    if len(dispatcher.stats.cache_hits) == known:
        _tell("driver")
    return dispatcher  # type: ignore[no-any-return]


def _tell(name: str) -> None:
    for listener in compiling:
        listener(name)


def _typed(options: dict[str, Any]) -> Callable[[F], F]:
    """numba.njit with these options, which for a type checker changes nothing."""

    def decorate(function: F) -> F:
        return cast(F, numba.njit(**options)(function))

    return decorate


helper = _typed({"error_model": "numpy", "fastmath": _FLAGS, "nogil": True})
"""For functions that kernels call: compiled into them, cut into no parts."""

# The only sums whose order is the compiler's: it takes as many side by side as the CPU has lanes, always in the same way, so the bits
# repeat on one kind of CPU. NaN and infinities stay what they are (tested).
summing = _typed({"error_model": "numpy", "fastmath": {"contract", "reassoc"}, "nogil": True})
"""For functions that kernels call to add up many values of an array in float64."""


@_typed({"inline": "always"})
def span(count: int, part: int, parts: int) -> tuple[int, int]:
    """First and one past the last of `count` things that belong to `part`."""
    return count * part // parts, count * (part + 1) // parts


class Compiled:
    """Something that is compiled once for each number type, cached on disk, and called by its address.

    `name` is what people read, `path` what `named` finds it by in another process: the name too, but for generated kernels.
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
        """Address of the compiled code for float32 or float64 nets; compiles it or loads it from the cache at first use."""
        if dtype not in self._addresses:
            function, count = self.wrapper(dtype)
            signature = (types.void(*[types.int64] * count).args, types.void)
            compiled = CFunc(function, signature, {}, {"nopython": True, "error_model": "numpy"})
            compiled._cache = _Cache(function)
            with sources.refusals(self.name, self.path):
                compiled.compile()
            if not compiled.cache_hits:
                _tell(self.name)
            self._keep.append(compiled)
            self._addresses[dtype] = int(compiled.address)
        return self._addresses[dtype]

    def cached(self, dtype: str) -> bool:
        """Whether its compiled form is at hand, in this process or in the cache folder."""
        base = _Cache(self.wrapper(dtype)[0])._impl.filename_base
        return dtype in self._addresses or (cache_folder() / f"{base}.nbi").exists()


class _Param(NamedTuple):
    """A parameter of a kernel, or a field of a named tuple: name (`parameter.field`), annotation, and its own fields."""

    name: str
    kind: str
    record: Any = None
    fields: tuple[Any, ...] = ()

    def leaves(self) -> Iterator[_Param]:
        """The parameter itself, or all that its fields consist of, in the descriptor's order."""
        return (leaf for field in self.fields for leaf in field.leaves()) if self.record else iter((self,))

    def rebuilt(self) -> str:
        """Python text that makes the parameter from variables named like its leaves."""
        fields = ", ".join(field.rebuilt() for field in self.fields)
        return f"{self.record.__name__}({fields})" if self.record else self.name.replace(".", "_")

    def records(self) -> dict[str, Any]:
        """The NamedTuple classes that `rebuilt` calls."""
        own = {self.record.__name__: self.record} if self.record else {}
        return own | {name: record for field in self.fields for name, record in field.records().items()}

    def flat(self, value: Any) -> list[Any]:
        """An argument's values, in the order of `leaves`. Raises TypeError where a named tuple is of another class."""
        if not self.record:
            return [value]
        if not isinstance(value, self.record):
            raise TypeError(f"'{self.name}' must be a {self.record.__name__}, not {type(value).__name__}")
        return [one for field, inner in zip(self.fields, value, strict=True) for one in field.flat(inner)]


def _param(name: str, annotation: Any, space: dict[str, Any]) -> _Param:
    """The parameter of a name and an annotation, which means what it does in the module of namespace `space`."""
    kind = str(getattr(annotation, "__forward_arg__", annotation))
    record = space.get(kind)
    if not (isinstance(record, type) and hasattr(record, "_fields")):
        return _Param(name, kind)
    inside = vars(sys.modules[record.__module__])
    return _Param(
        name, kind, record, tuple(_param(f"{name}.{field}", a, inside) for field, a in record.__annotations__.items())
    )


class JitKernel(Compiled):
    """A kernel: its Python text, and its compiled form for each number type."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        super().__init__(*sources.names_of(self.function))
        self.kinds = list(inspect.signature(function).parameters.values())
        names = [p.name for p in self.kinds]
        if names[-2:] != ["part", "parts"]:
            raise TypeError(f"kernel {self.name} must end with part, parts")
        self.params = [_param(p.name, p.annotation, function.__globals__) for p in self.kinds[:-2]]
        self.leaves = [leaf for param in self.params for leaf in param.leaves()]

    @cached_property
    def inner(self) -> Any:
        """The function as numba compiles it into callers."""
        return numba.njit(error_model="numpy", fastmath=_FLAGS, nogil=True)(self.function)

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return len(self.function.__code__.co_code) + 4 * len(self.function.__code__.co_names)

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """void(descriptor, part): unpacks the descriptor into arrays and scalars, and calls the kernel."""
        lines, at = [], 1
        for path, kind, *_ in self.leaves:
            name = path.replace(".", "_")
            if kind in _REAL or kind in _FIXED:
                rank = _REAL.get(kind, 1)
                lengths = ", ".join(f"_load(d, {at + 1 + axis})" for axis in range(rank))
                lines.append(
                    f"    {name} = carray(_pointer(_load(d, {at})), ({lengths},), {'real' if kind in _REAL else _FIXED[kind]})"
                )
                at += 1 + rank
            elif kind in ("int", "Code"):
                lines.append(f"    {name} = _load(d, {at})")
                at += 1
            elif kind == "float":
                lines.append(f"    {name} = real(_load_real(d, {at}))")
                at += 1
            else:
                raise TypeError(f"kernel {self.name}: parameter '{path}' has the unknown annotation {kind!r}")
        words = [param.rebuilt() for param in self.params]
        name = sources.file_name(self.function, dtype)
        text = f"def {name}(d, part):\n" + "\n".join(lines) + f"\n    inner({', '.join(words)}, part, _load(d, 0))\n"
        scope = {
            "_load": _load,
            "_load_real": _load_real,
            "_pointer": _pointer,
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
        """The descriptor of a call, and the arrays that must stay alive. Raises TypeError when an argument does not fit."""
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
            if kind in _REAL or kind in _FIXED:
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
        wanted = dtype if kind in _REAL else _FIXED[kind]
        rank = _REAL.get(kind, 1)
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


def cpu_name() -> str:
    """LLVM's name for the host's kind of CPU, like znver4."""
    return str(llvm.get_host_cpu_name())


def limit_threads(threads: int | None) -> int:
    """Let the driver use this many threads (None: all cores the process may use); returns how many it got."""
    most = int(numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(max(1, min(threads or most, most)))
    return int(numba.get_num_threads())


def threading_layer() -> str:
    """numba's threading layer: 'omp', or 'workqueue' where the system has no libgomp (the same bits, a little slower)."""
    driver()
    try:
        return str(numba.threading_layer())
    except ValueError:  # no parallel loop has run yet
        driver()(np.zeros((1, 3), np.int64), 0, 0)
        return str(numba.threading_layer())


def run(calls: Iterable[Call], dtype: str) -> None:
    """Run calls one by one, outside a program: tests, gradient checks, debugging. Arguments are checked like a program's."""
    for call in calls:
        assert isinstance(call.kernel, JitKernel)
        parts = call.parts or call.kernel.parts(call.args)
        words, alive = call.kernel.describe(call.args, parts, dtype)
        descriptor = np.array(words, np.int64)
        table = np.array([[call.kernel.address(dtype), descriptor.ctypes.data, parts]], np.int64)
        driver()(table, 0, 1)
        del alive


def codes(calls: Iterable[Call]) -> set[Compiled]:
    """All that must be compiled for calls: their kernels, and what these call by address."""
    return {one for call in calls for one in _flattened((call.kernel, *call.args)) if isinstance(one, Compiled)}


def _flattened(value: Any) -> Iterator[Any]:
    """A value, or what the tuples within a tuple hold."""
    if isinstance(value, tuple):
        for one in value:
            yield from _flattened(one)
    else:
        yield value


def prepare(kernels: Iterable[Compiled], dtype: str) -> None:
    """Compile the kernels that are not in the cache, in several processes where that pays: numba compiles under one lock a process.

    Each takes the next kernel that none has taken. What another fails to compile is compiled here when it is first used.
    """
    missing = sorted({k for k in kernels if not k.cached(dtype)}, key=lambda k: (-k.weight, k.name))
    processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES, len(missing) // WORTH_A_PROCESS)
    if processes < 2:
        driver()
        for one in missing:
            one.address(dtype)
        return
    names = {one.path: one for one in missing}
    with tempfile.TemporaryDirectory(prefix="netspec-claims-") as claims:
        words = [
            sys.executable,
            "-c",
            f"{sources.preamble()}from netspec.codegen.kernel import compile_named; compile_named()",
            dtype,
            claims,
            *(path for path in names if not path.startswith("__main__:")),  # a script is no module of theirs
        ]
        others = []
        for _ in range(processes - 1):
            with contextlib.suppress(OSError):
                others.append(
                    subprocess.Popen(
                        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                    )
                )
        driver()
        for name in _unclaimed(claims, names):
            names.pop(name).address(dtype)
        for other in others:
            other.wait()
    for one in names.values():
        _tell(one.name)


def _unclaimed(folder: str, names: Iterable[str]) -> Iterator[str]:
    """The names that no other process has taken, each taken as it is given."""
    for name in tuple(names):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))
            yield name


def named(name: str) -> Compiled:
    """What is compiled under a path: `conv.convolve`, `tiles.tile_14_2`, `some.loops:forward`, `some.relu:ReLU.value`."""
    if ":" in name:
        return cast(Compiled, importlib.import_module("netspec.codegen.elementwise").found(name))
    module, _, member = name.partition(".")
    package = "codegen" if module in {"tiles", "streams", "strips"} else "kernels"
    return cast(Compiled, getattr(importlib.import_module(f"netspec.{package}.{module}"), member))


def compile_named() -> None:
    """What the other processes of `prepare` do: compile into the cache those kernels of sys.argv that nobody else has taken."""
    dtype, claims, *names = sys.argv[1:]
    for name in _unclaimed(claims, names):
        named(name).address(dtype)
