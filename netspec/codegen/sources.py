"""Origins of kernels: netspec itself, a plug-in, a code file, or a script.

The compiled forms of netspec's own kernels are kept below the digest of `kernels/` and `codegen/` (`cache.digest`).
A kernel from elsewhere has a stamp beside that: a digest of its package, and of all that it uses from other modules.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

from netspec.core import code_files
from netspec.core.code_files import preamble as preamble  # for the processes that compile
from netspec.core.errors import SpecError

OWN = ("netspec.kernels.", "netspec.codegen.")
UNKEPT = "unkept"
"""Part of the file name of compiled code that must not outlive its process: its text is in no file (a notebook)."""
_GIVEN = {"builtins", "llvmlite", "netspec", "numba", "numpy", *sys.stdlib_module_names}
"""Packages that need no digest of their own: the cache folder's name covers them."""


class KernelError(SpecError):
    """A kernel of a plug-in or a code file does not compile."""

    code = "NS014"


def names_of(function: Callable[..., Any]) -> tuple[str, str]:
    """A kernel's name, `loops.forward`, and its path: `package.loops:forward` if it is from outside of netspec."""
    module = function.__module__
    name = f"{module.rpartition('.')[2]}.{function.__name__}"
    if module.startswith(OWN):
        return name, name
    if not all(isinstance(kind, str) for kind in function.__annotations__.values()):
        raise TypeError(f"the file of kernel {name} must begin with `from __future__ import annotations`")
    text_digest(module, whole=True)
    if code_files.is_file(module):
        name = f"{module.rpartition('_')[0]}.{function.__name__}"  # without the digest
    return name, f"{module}:{function.__name__}"


@contextmanager
def refusals(name: str, path: str) -> Iterator[None]:
    """Raises KernelError where numba refuses a kernel from elsewhere; in one of netspec's own that is a bug of ours."""
    from numba.core.errors import NumbaError

    try:
        yield
    except NumbaError as error:
        if ":" not in path or path.startswith("netspec."):
            raise
        raise KernelError(f"the kernel '{name}' does not compile", help=str(error).strip()) from None


def file_name(function: Callable[..., Any], dtype: str) -> str:
    """A Python name for a kernel's compiled form, the same in no two modules."""
    words = re.sub(r"\W", "_", f"{function.__module__.removeprefix('netspec.')}_{function.__name__}_{dtype}")
    return words if function.__module__.startswith(OWN) else f"{words[-120:]}_{stamp(function)}"


@cache
def stamp(kernel: Callable[..., Any]) -> str:
    """A digest of all that a kernel's compiled form depends on; UNKEPT and a number where some of it is in no file."""
    own, unkept = text_digest(kernel.__module__, whole=True), f"{UNKEPT}{secrets.token_hex(8)}"
    if own is None:
        return unkept
    state = hashlib.sha256(f"{kernel.__module__}\0{own}\0".encode())
    left, seen = [cast(FunctionType, kernel)], set[FunctionType]()
    while left:
        function = left.pop()
        if function in seen:
            continue
        seen.add(function)
        for name, value in _used(function):
            inner, home = _python(value), _home(value)
            if home.partition(".")[0] not in _GIVEN:
                text = text_digest(home)
                if text is None:
                    return unkept
                state.update(f"{name}\0{home}\0{text}\0".encode())
                left += [inner] if inner else []
            else:
                state.update(name.encode() + b"\0" + _constant(value))
    return state.hexdigest()[:24]


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Names that a function takes from around it, and their values; of modules the members that it uses."""
    found, space = inspect.getclosurevars(function), function.__globals__
    kinds = {kind: space[kind] for kind in map(str, function.__annotations__.values()) if kind in space}
    for name, value in sorted({**kinds, **found.globals, **found.nonlocals}.items()):
        yield name, value
        if isinstance(value, ModuleType):
            yield from ((f"{name}.{n}", vars(value)[n]) for n in function.__code__.co_names if n in vars(value))


def _python(value: Any) -> FunctionType | None:
    """The Python function behind a kernel or a function that numba compiles."""
    found = getattr(value, "function", None) or getattr(value, "py_func", None) or value
    return found if isinstance(found, FunctionType) else None


def _home(value: Any) -> str:
    """The module that a thing is from; a plain value is from nowhere, and counts as built in."""
    home = value.__name__ if isinstance(value, ModuleType) else getattr(_python(value) or value, "__module__", None)
    return home if isinstance(home, str) and home in sys.modules else "builtins"


def _constant(value: Any) -> bytes:
    """A value that numba compiles in, as bytes; empty for all else."""
    import numpy as np

    if isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return repr(value).encode()
    if isinstance(value, tuple):
        return b"(" + b",".join(map(_constant, value)) + b")"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return b""


@cache
def text_digest(name: str, whole: bool = False) -> str | None:
    """A digest of a module's file, or of the `whole` package it is in; None where there is no file.

    That of a kernel's package is taken when the kernel is made, while its module is imported: an edit made later is not
    taken for the text that runs.
    """
    module = sys.modules.get(name)
    if code_files.is_file(name):  # whose text was read once
        return str(vars(sys.modules[name])["__sha256__"])
    top = sys.modules.get(name.partition(".")[0]) if whole else None
    files = sorted(path for folder in getattr(top, "__path__", ()) for path in Path(folder).rglob("*.py"))
    files = files or [Path(getattr(module, "__file__", None) or "")]
    state = hashlib.sha256()
    try:
        for path in files:
            state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    except OSError:
        return None
    return state.hexdigest()
