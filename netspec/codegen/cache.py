"""The cache of compiled kernels, and what it is filed under: the only module that meets numba's private parts.

Compiled code is kept in the user's cache folder, below a digest of all kernel sources, of numba and its settings, and
of the host CPU; that of a plug-in or a code file under a digest of its own too (`sources`): an edit can never meet a
stale compile. Each kernel is one file: the SHA-256 of what follows and of what it was compiled for, then the code as
numba pickles it. A file that is not exactly what was written is never unpickled nor run: the kernel is compiled anew,
and a remark says so. With a numba whose private parts are others, kernels are compiled anew in every process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
import stat
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from netspec.codegen import environment, sources
from netspec.codegen.cpu import cpu_name, features, system
from netspec.core.locate import cache_root

Function = Callable[..., Any]

compiling: list[Callable[[str], None]] = []
"""Listeners: each is told the name of every kernel that is compiled anew (not loaded from the cache)."""
remarking: list[Callable[[str], None]] = []
"""Listeners: each is told, once, why kernels are compiled that need not be. Where nobody listens Python warns."""

ENDING = ".kernel"
_OURS = re.compile(r".*\.(kernel|tmp|nbi|nbc)", re.DOTALL)
"""Names of files that this and earlier versions wrote."""
_MOST_BYTES = 2**26
"""More than a compiled kernel takes: a file of that size is none."""
_TRIAL_BYTES = 2**18
"""About what the largest kernel of netspec takes: written to see whether the folder takes files."""
_STRANGE = (
    f"numba {numba.__version__} keeps compiled code in a way that netspec does not know: kernels are compiled anew at "
    "every start; an older numba, or a newer netspec, avoids that"
)
KEPT_DAYS = 60
"""Compiled code that no process has used for so long is deleted when other code is compiled."""


def tell(name: str) -> None:
    """Tell the listeners that a kernel was compiled anew."""
    for listener in compiling:
        listener(name)


@cache
def remark(text: str) -> None:
    """Tell the listeners something about the cache; each text is told once."""
    if not remarking:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    for listener in remarking:
        listener(text)


TUPLES = ("beside.py", "calls.py")
"""Files of `core` with tuples that kernels take: a field more or less is another layout of a call."""


@cache
def digest() -> str:
    """A name for the state of all kernel sources, of Python, NumPy, numba and its settings, and of the host CPU."""
    state = hashlib.sha256()
    package = Path(__file__).parent.parent
    own = [path for folder in ("kernels", "codegen") for path in sorted((package / folder).glob("*.py"))]
    for path in (*own, *(package / "core" / name for name in TUPLES)):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    host = ",".join(f"{name}={has}" for name, has in sorted(features().items()))
    chosen = os.environ.get("NETSPEC_VECTOR_BYTES", "")
    versions = (numba.__version__, np.__version__, sys.version, system())
    for word in (*versions, cpu_name(), host, chosen, repr(environment.settings())):
        state.update(word.encode() + b"\0")
    return state.hexdigest()[:16]


@cache
def _root() -> Path:
    """The folder of all digests' folders."""
    return cache_root() / "kernels"


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels: one for each digest."""
    return _root() / digest()


@cache
def _private_cache() -> Callable[[Function], Any] | None:
    """Makes what numba asks for compiled code and gives it to; None if this numba's private parts are others."""
    try:
        from numba.core.caching import NullCache
        from numba.core.compiler import CompileResult
        from numba.core.serialize import dumps

        rebuild, reduce = CompileResult._rebuild, CompileResult._reduce

        class Kept(NullCache):  # type: ignore[misc]
            """The compiled form of one function, in a file of the cache folder."""

            def __init__(self, function: Function) -> None:
                self._file = KernelFile(function)

            def load_overload(self, signature: Any, context: Any) -> Any:
                context.refresh()
                payload = self._file.read(_made_for(signature, context.codegen()))
                if payload is None:
                    return None
                try:
                    return rebuild(context, *pickle.loads(payload))
                except Exception as error:  # whole, but written by a numba that calls itself as this one does
                    remark(f"the kernel cache '{cache_folder()}' is another numba's ({error}): compiled anew")
                    return None

            def save_overload(self, signature: Any, compiled: Any) -> None:
                if compiled.lifted or compiled.library.has_dynamic_globals:
                    remark("kernels that use large arrays of their module are compiled anew at every start")
                    return
                self._file.write(_made_for(signature, compiled.library.codegen), dumps(reduce(compiled)))

    except (ImportError, AttributeError):
        remark(_STRANGE)
        return None
    return Kept


def _made_for(signature: Any, codegen: Any) -> bytes:
    """What a function is compiled for beside what the folder's name covers: its arguments, and LLVM's target."""
    return repr((str(signature), codegen.magic_tuple(), environment.settings())).encode()


class KernelFile:
    """The file of one function's compiled form."""

    def __init__(self, function: Function) -> None:
        code = function.__code__
        self.path = cache_folder() / f"{function.__name__}{ENDING}"
        self._name = repr((digest(), function.__name__, code.co_code.hex(), code.co_names)).encode()

    def whole(self) -> bool:
        """Whether the file is there and holds what was written, for whatever target."""
        content = self._content()
        return content is not None and self._parts(content) is not None

    def read(self, made_for: bytes) -> bytes | None:
        """The payload of the file; None if there is none, if it is damaged, or made for another target."""
        content = self._content()
        parts = self._parts(content) if content is not None else None
        return parts[1] if parts is not None and parts[0] == hashlib.sha256(made_for).digest() else None

    def _content(self) -> bytes | None:
        """The bytes of the file; None if there is no file."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe, a device
                    return b""
                _use(self.path)
                return file.read(_MOST_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # a folder in its place, a circle of links, no permission, a broken disk
            return b""

    def _parts(self, content: bytes) -> tuple[bytes, bytes] | None:
        """(digest of what it was made for, payload) of a file's bytes; None, with a remark, if they are damaged."""
        kept, made_for, payload = content[:32], content[32:64], content[64:]
        if kept == self._sum(made_for, payload):
            return made_for, payload
        remark(
            f"the kernel cache '{self.path.parent}' holds files that are damaged, foreign or unreadable: "
            "they are compiled anew"
        )
        return None

    def _sum(self, made_for: bytes, payload: bytes) -> bytes:
        return hashlib.sha256(b"\0".join((self._name, made_for, payload))).digest()

    def write(self, made_for: bytes, payload: bytes) -> None:
        """Replace the file, whole or not at all; where the folder refuses, a remark says so."""
        made_for = hashlib.sha256(made_for).digest()
        beside = self.path.with_name(f"{uuid.uuid4().hex}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_bytes(self._sum(made_for, payload) + made_for + payload)
                os.replace(beside, self.path)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
        except OSError as error:
            remark(_refused(error))
            return
        _prune()


def _use(path: Path) -> None:
    """Let a file of the cache look used; a cache of others, or one that cannot be written, stays as it is."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > 86400:
            os.utime(path)


def _refused(error: OSError) -> str:
    return (
        f"the kernel cache '{cache_folder()}' cannot be written ({error.strerror or error}): "
        "kernels are compiled anew at every start; NETSPEC_CACHE_DIR names another folder"
    )


@cache
def _prune() -> None:
    """Delete compiled code that was not used for KEPT_DAYS; once a process, and only files that netspec names so."""
    oldest = time.time() - KEPT_DAYS * 86400
    for folder in _folders():
        with contextlib.suppress(OSError):  # not ours to change, or deleted by another process
            for entry in os.scandir(folder):
                if _OURS.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.path)
            if folder != cache_folder():
                folder.rmdir()  # refused while it holds a file


def _folders() -> Iterator[Path]:
    """The folders of all digests, of this and of other versions."""
    try:
        yield from (Path(one.path) for one in os.scandir(_root()) if re.fullmatch("[0-9a-f]{16}", one.name))
    except OSError:
        return


def refusal() -> str | None:
    """Why compiled code cannot be kept, or None. Tried, since permissions do not tell of a full disk."""
    if _private_cache() is None:
        return _STRANGE
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            if file.write(bytes(_TRIAL_BYTES)) != _TRIAL_BYTES:
                raise OSError("too little space is left")
    except OSError as error:
        return _refused(error)
    return None


def keep(target: Any, function: Function) -> None:
    """Let `target`, numba's dispatcher or CFunc of a function, load compiled code from the cache and save it there.

    Code whose text is in no file (a notebook) is not kept.
    """
    if sources.UNKEPT not in function.__name__ and (make := _private_cache()):
        target._cache = make(function)


def kept(function: Function) -> bool:
    """Whether a function's compiled form is in the cache folder, whole."""
    return sources.UNKEPT not in function.__name__ and _private_cache() is not None and KernelFile(function).whole()
