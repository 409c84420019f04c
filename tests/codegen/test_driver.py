"""The driver in threads and in forked processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.codegen import driver
from netspec.language.document import dump
from tests.helpers import forks


def process(module: str, *words: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.helpers.{module}", *words],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_forked_processes_run_nets(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Also where they are forked from forked ones, or while another thread runs a net, and a Solver of the parent."""
    path = tmp_path / "solver.yaml"
    path.write_text(dump(solver()))
    words = (str(path), str(tmp_path / "one.safetensors"))
    assert process("forks", *words, NUMBA_NUM_THREADS="2") == [
        "pool True",
        "a net of the parent 0",
        "nested 0",
        "while a thread runs a net 0",
        "a Solver 0",
        "the parent True",
    ]


def test_nets_in_many_threads() -> None:
    """Each thread has nets of its own, and all use one together."""
    assert process("threads", NUMBA_NUM_THREADS="2") == ["5 done, 0 wrong"]


def test_a_net_keeps_to_its_threads_in_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the thread that runs it was limited to itself; a new thread has no limit."""
    monkeypatch.setattr(driver, "most_threads", lambda: 2)
    driver.limit_threads(None)
    nets = {threads: netspec.Net(forks.SPEC, threads=threads) for threads in (1, 2)}
    drive, seats = driver._compiled(), list[int]()

    def watched(table: Any, first: int, last: int, room: int, free: int) -> None:
        seats.append(free)
        drive(table, first, last, room, free)

    monkeypatch.setattr(driver, "_compiled", lambda: watched)

    def run(threads: int, own: int) -> None:
        driver.limit_threads(own)
        nets[threads].forward(data=forks.X)
        seats.append(driver.threads_here())

    found = list[int]()
    for threads, own in ((1, 1), (2, 1), (1, 2), (2, 2)):
        for go in (run, lambda *words: threading.Thread(target=run, args=words)):
            seats.clear()
            if isinstance(thread := go(threads, own), threading.Thread):
                thread.start()
                thread.join()
            assert set(seats[:-1]) == {threads - 1} and seats[-1] == own
    thread = threading.Thread(target=lambda: found.append(driver.threads_here()))
    thread.start()
    thread.join()
    assert found == [2]
    driver.limit_threads(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_fork_waits_until_no_thread_compiles() -> None:
    """In the child the lock of the compiler is free; no thread that held it is there to give it back."""
    from numba.core.compiler_lock import global_compiler_lock

    holds, free = threading.Event(), threading.Event()

    def compiling() -> None:
        with global_compiler_lock:
            holds.set()
            free.wait()

    thread = threading.Thread(target=compiling)
    thread.start()
    holds.wait()
    threading.Timer(0.05, free.set).start()
    assert forks.in_child(lambda: free.is_set() and not global_compiler_lock._is_owned()) == 0
    thread.join()


def test_the_driver_alone_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    one = netspec.Net(forks.SPEC)
    right = one.forward(data=forks.X)["p"]
    monkeypatch.setattr(driver, "_HOME", -1)
    assert driver.alone() and driver.limit_threads(2) == 1
    one.blobs["p"].data[...] = np.nan
    np.testing.assert_array_equal(one.forward(data=forks.X)["p"], right)
