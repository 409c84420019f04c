"""The driver in threads and in forked processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import netspec
from netspec.codegen import driver
from netspec.language.document import dump
from tests.helpers import forks

LAYERS = ["omp", "workqueue"]


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
@pytest.mark.parametrize("layer", LAYERS)
def test_forked_processes_run_nets(layer: str, solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Also where they are forked from forked ones, or while another thread runs a net, and a Solver of the parent."""
    path = tmp_path / "solver.yaml"
    path.write_text(dump(solver()))
    words = (str(path), str(tmp_path / "one.safetensors"))
    assert process("forks", *words, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == [
        "pool True",
        "a net of the parent 0",
        "nested 0",
        "while a thread runs a net 0",
        "a Solver 0",
        "the parent True",
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_nets_in_many_threads(layer: str) -> None:
    """Each thread has nets of its own, and all use one together."""
    assert process("threads", NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == [f"{layer}: 5 done, 0 wrong"]


def test_a_net_keeps_to_its_threads_in_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """And other code of a thread finds the limit that it set itself."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("there is one core")
    driver.limit_threads(None)
    nets = {threads: netspec.Net(forks.SPEC, threads=threads) for threads in (1, 2)}
    compiled, used = driver._compiled, []

    def watched(parallel: bool) -> Any:
        used.append(int(numba.get_num_threads()))
        return compiled(parallel)

    monkeypatch.setattr(driver, "_compiled", watched)

    def run(threads: int, own: int) -> None:
        numba.set_num_threads(own)
        used.clear()
        nets[threads].forward(data=forks.X)
        assert set(used) == {threads}
        used.append(numba.get_num_threads())

    for threads, own in ((1, 1), (2, 1), (1, 2), (2, 2)):
        run(threads, own)
        assert used[-1] == own
        thread = threading.Thread(target=run, args=(threads, own))
        thread.start()
        thread.join()
        assert used[-1] == own and len(used) > 1
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


def test_running_a_net_takes_no_lock_that_numba_takes_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt inside of it would leave it locked for all other threads."""
    from numba.np.ufunc import parallel

    one = netspec.Net(forks.SPEC)
    one.forward(data=forks.X)

    def locked() -> None:
        raise AssertionError("numba's lock is taken")

    monkeypatch.setattr(parallel, "_launch_threads", locked)
    with pytest.raises(AssertionError):
        numba.get_num_threads()
    one.forward(data=forks.X)


def test_the_driver_alone_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    one = netspec.Net(forks.SPEC)
    right = one.forward(data=forks.X)["p"]
    monkeypatch.setattr(driver, "_HOME", -1)
    assert driver.alone() and driver.limit_threads(2) == 1
    one.blobs["p"].data[...] = np.nan
    np.testing.assert_array_equal(one.forward(data=forks.X)["p"], right)
