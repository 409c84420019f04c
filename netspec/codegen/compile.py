"""Compiling what a program needs, in several processes where that pays."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from netspec.codegen import cache, sources
from netspec.codegen.driver import prepare_driver
from netspec.codegen.kernel import Compiled
from netspec.core.calls import Call
from netspec.core.cores import cores

WORTH_A_PROCESS = 2
"""Fewest kernels for which another process is started."""
MOST_PROCESSES = 4
"""Processes that compile at the same time; each takes some 300 MB."""


def codes(calls: Iterable[Call]) -> set[Compiled]:
    """All that must be compiled for calls: their kernels, and what these call by address."""
    return {value for call in calls for value in (call.kernel, *call.values()) if isinstance(value, Compiled)}


def prepare(kernels: Iterable[Compiled], dtype: str) -> None:
    """Compile the kernels that are not in the cache, in several processes where that pays.

    numba compiles under one lock a process. Each process takes the next kernel that no other has taken. A kernel that
    another process failed to compile is compiled here when it is first used.
    """
    missing = sorted({k for k in kernels if not k.cached(dtype)}, key=lambda k: (-k.weight, k.name))
    processes = min(_most_processes(), len(missing) // WORTH_A_PROCESS)
    refused = cache.refusal() if missing else None
    if refused:
        cache.remark(refused)
    if processes < 2 or refused:  # what others compile reaches this process through the cache alone
        prepare_driver()
        for one in missing:
            one.address(dtype)
        return
    names = {one.path: one for one in missing}
    with tempfile.TemporaryDirectory(prefix="netspec-claims-") as claims:
        words = [
            sys.executable,
            "-P",  # the current folder is no place to import from; the preamble says where from
            "-c",
            f"{sources.preamble()}from netspec.codegen.compile import compile_named; compile_named()",
            dtype,
            claims,
            *(path for path in names if not path.startswith("__main__:")),  # a script is no module of theirs
        ]
        with _running(words, processes - 1) as others:
            prepare_driver()
            for name in unclaimed(claims, names):
                names.pop(name).address(dtype)
            for other in others:
                other.wait()
    for one in names.values():
        cache.tell(one.name)


@contextmanager
def _running(words: list[str], count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """As many processes of a command as the system allows; none is left when the body ends, nor when we are killed.

    Each ends when its standard input, a pipe that only we write to, is closed.
    """
    nothing = subprocess.DEVNULL
    others: list[subprocess.Popen[bytes]] = []
    try:
        with contextlib.suppress(OSError):
            for _ in range(count):
                others.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing))
        yield others
    finally:
        for other in others:
            other.communicate()


def _end_with_parent() -> None:
    """End this process when its standard input is closed."""
    os.read(0, 1)
    os._exit(1)


def _most_processes() -> int:
    """Processes that may compile at once; 1 where no Python can be started, as in a program that embeds it."""
    return min(cores(), MOST_PROCESSES) if "python" in os.path.basename(sys.executable or "").lower() else 1


def unclaimed(folder: str, names: Iterable[str]) -> Iterator[str]:
    """Names that no other process has claimed; each is claimed when it is yielded, by a file in `folder`."""
    for name in tuple(names):
        with contextlib.suppress(FileExistsError):
            # a colon is no part of a file's name on Windows, and no part of a kernel's other than here
            os.close(os.open(os.path.join(folder, name.replace(":", "+")), os.O_CREAT | os.O_EXCL))
            yield name


def named(name: str) -> Compiled:
    """The Compiled of a path: `conv.convolve`, `tiles.tile_14_2`, `some.loops:forward`, `some.relu:ReLU.value`."""
    if ":" in name:
        return cast(Compiled, importlib.import_module("netspec.codegen.elementwise").found(name))
    module, _, member = name.partition(".")
    package = "codegen" if module in {"tiles", "streams", "strips", "grouped", "transforms", "squares"} else "kernels"
    return cast(Compiled, getattr(importlib.import_module(f"netspec.{package}.{module}"), member))


def compile_named() -> None:
    """For the other processes of `prepare`: compile those kernels of sys.argv that no other process has taken."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    dtype, claims, *names = sys.argv[1:]
    for name in unclaimed(claims, names):
        named(name).address(dtype)
