"""The cache of compiled kernels, and what it is filed under: the only module that meets numba's private cache classes.

Compiled code is kept in the user's cache folder, below a digest of all kernel sources and of the host CPU; that of a
plug-in or a code file under a digest of its own too (`sources`): an edit can never meet a stale compile. With a numba
whose cache classes are others, kernels are compiled anew in every process, and a warning says so.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from netspec.codegen import sources
from netspec.codegen.cpu import cpu_name, features
from netspec.core.locate import folder_of

Function = Callable[..., Any]

compiling: list[Callable[[str], None]] = []
"""Listeners: each is told the name of every kernel that is compiled anew (not loaded from the cache)."""


def tell(name: str) -> None:
    """Tell the listeners that a kernel was compiled anew."""
    for listener in compiling:
        listener(name)


@cache
def digest() -> str:
    """A name for the state of all kernel sources, of numba and NumPy, and of the host CPU."""
    state = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in (p for folder in ("kernels", "codegen") for p in sorted((package / folder).glob("*.py"))):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    host = ",".join(f"{name}={has}" for name, has in sorted(features().items()))
    chosen = (os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NETSPEC_VECTOR_BYTES"))
    for word in (numba.__version__, np.__version__, cpu_name(), host, *chosen):
        state.update(word.encode() + b"\0")
    return state.hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels: one for each digest, in NETSPEC_CACHE_DIR or the user's cache folder."""
    from platformdirs import user_cache_dir

    root = folder_of("NETSPEC_CACHE_DIR") or Path(user_cache_dir("netspec"))
    return root / "kernels" / digest()


@cache
def _scratch_folder() -> str:
    """A folder that ends with this process."""
    folder = tempfile.mkdtemp(prefix="netspec-kernels-")
    atexit.register(shutil.rmtree, folder, True)
    return folder


@cache
def _private_cache() -> Callable[[Function], Any] | None:
    """numba's FunctionCache, made to keep its files in our folder; None if this numba's cache classes differ.

    They are checked by use: `filename_base` is the name of a cached function's index file, without its ending.
    """
    try:
        from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

        class Locator(_CacheLocator):  # type: ignore[misc]
            """Files a compiled function under its own name in the digest's folder."""

            def __init__(self, function: Function) -> None:
                self._py_file = function.__code__.co_filename
                self._function = function

            def get_cache_path(self) -> str:
                return _scratch_folder() if sources.UNKEPT in self._function.__name__ else str(cache_folder())

            def get_source_stamp(self) -> str:
                return digest()

            def get_disambiguator(self) -> str:
                return "0"

            @classmethod
            def from_function(cls, py_func: Function, py_file: str) -> Locator | None:
                locator = cls(py_func)
                try:
                    locator.ensure_cache_path()
                except OSError:
                    return None
                return locator

        class Scratch(Locator):
            """Keeps compiled code for this process alone, where the cache folder cannot be written."""

            def get_cache_path(self) -> str:
                return _scratch_folder()

        class Impl(CompileResultCacheImpl):  # type: ignore[misc]
            _locator_classes = [Locator, Scratch]  # noqa: RUF012 - numba's own name

        class Cache(FunctionCache):  # type: ignore[misc]
            _impl_class = Impl

        str(Cache(cpu_name)._impl.filename_base)
    except (ImportError, AttributeError, TypeError) as error:
        warnings.warn(
            f"numba {numba.__version__} keeps compiled code in a way that netspec does not know ({error}): "
            "kernels are compiled anew at every start; an older numba, or a newer netspec, avoids that",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return Cache


def works() -> bool:
    """Whether compiled code can be kept with the numba that is installed."""
    return _private_cache() is not None


def keep(target: Any, function: Function) -> None:
    """Let `target`, numba's dispatcher or CFunc of a function, load compiled code from the cache and save it there."""
    if make := _private_cache():
        target._cache = make(function)


def kept(function: Function) -> bool:
    """Whether a function's compiled form is in the cache folder."""
    make = _private_cache()
    return make is not None and (cache_folder() / f"{make(function)._impl.filename_base}.nbi").exists()
