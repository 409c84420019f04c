"""The kernel cache: what it gives back is what was put in, or nothing, whatever happened to its files meanwhile."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import random
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

from netspec import kernels
from netspec.codegen import cache, compile, driver, environment
from netspec.codegen.cache import KernelFile
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Call
from netspec.kernels import copy
from tests.helpers.damage import DAMAGES, Damage, emptied, endless, full_folder, pipe, swapped
from tests.helpers.mutations import seeds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, below a root of its own."""
    driver.prepare_driver()  # from the user's own cache
    path = tmp_path / "kernels" / ("0" * 15 + "1")
    monkeypatch.setattr(cache, "_root", lambda: path.parent)
    monkeypatch.setattr(cache, "cache_folder", lambda: path)
    cache._prune.cache_clear()
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What listeners are told: names of kernels that are compiled, and remarks."""
    heard: list[str] = []
    monkeypatch.setattr(cache, "compiling", [lambda name: heard.append(f"compiled {name}")])
    monkeypatch.setattr(cache, "remarking", [heard.append])
    cache.remark.cache_clear()
    yield heard
    cache.remark.cache_clear()


def function(name: str) -> Callable[..., None]:
    """A function of that name."""

    def own() -> None:
        pass

    return FunctionType(own.__code__, {}, name)


def fill(folder: Path, told: list[str]) -> list[str]:
    """Fill an array by a kernel that is loaded as by a new process; what was told."""
    told.clear()
    cache.remark.cache_clear()
    made, x = JitKernel(copy.fill.function), np.zeros(5, np.float32)
    driver.run([Call(made, x, 3.0, parts=1)], "float32")
    assert (x == 3).all()
    return list(told)


def test_what_was_compiled_is_loaded(folder: Path, told: list[str]) -> None:
    assert fill(folder, told) == ["compiled copy.fill"]
    assert [path.name for path in folder.iterdir()] == ["kernels_copy_fill_float32.kernel"]
    assert fill(folder, told) == []


@pytest.mark.parametrize("damage", [emptied, swapped, pipe])
def test_a_damaged_file_costs_a_compile_and_a_line(damage: Damage, folder: Path, told: list[str]) -> None:
    fill(folder, told)
    (path,) = folder.iterdir()
    damage(path, random.Random(3))
    assert not JitKernel(copy.fill.function).cached("float32")
    line = f"the kernel cache '{folder}' holds files that are damaged, foreign or unreadable: they are compiled anew"
    assert fill(folder, told) == [line, "compiled copy.fill"]
    assert fill(folder, told) == []


def test_a_file_that_cannot_be_replaced_is_named_and_the_work_goes_on(folder: Path, told: list[str]) -> None:
    fill(folder, told)
    (path,) = folder.iterdir()
    full_folder(path, random.Random(3))
    for _ in range(2):
        damaged, refused, compiled = fill(folder, told)
        assert "damaged" in damaged and compiled == "compiled copy.fill"
        assert refused.startswith(f"the kernel cache '{folder}' cannot be written (Is a directory)")
    assert sorted(one.name for one in folder.iterdir()) == [path.name]  # nothing half written stays


def test_a_cache_that_vanishes_is_made_again(folder: Path, told: list[str]) -> None:
    fill(folder, told)
    shutil.rmtree(folder.parent)
    assert fill(folder, told) == ["compiled copy.fill"]
    assert fill(folder, told) == []


def test_a_cache_that_cannot_be_written_is_read(folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, told)

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    for owner, name in ((Path, "mkdir"), (Path, "write_bytes"), (os, "utime"), (os, "replace")):
        monkeypatch.setattr(owner, name, refuse)
    assert JitKernel(copy.fill.function).cached("float32")
    assert fill(folder, told) == []


def test_writers_and_readers_at_the_same_moment(folder: Path, told: list[str]) -> None:
    payload, found = bytes(range(256)) * 200, set()

    def write() -> None:
        for _ in range(40):
            KernelFile(function("one")).write(b"target", payload)

    def read() -> None:
        found.update(KernelFile(function("one")).read(b"target") for _ in range(200))

    threads = [threading.Thread(target=work) for work in (write, write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found <= {None, payload} and told == []
    assert [path.name for path in folder.iterdir()] == ["one.kernel"]


@pytest.mark.parametrize("seed", seeds(4))
def test_whatever_happens_to_its_files_a_kernel_computes_what_it_did(seed: int, folder: Path, told: list[str]) -> None:
    dice = random.Random(seed)
    made = [one.function for one in (copy.fill, copy.copy, copy.accumulate)]
    for number in range(3):  # the second and third time with damaged files
        kernels = [JitKernel(one) for one in made]
        x, y = np.zeros(7, np.float32), np.full(7, 2, np.float32)
        calls = [Call(kernels[0], x, 3.0, parts=1), Call(kernels[1], x, y, parts=1), Call(kernels[2], x, y, parts=1)]
        driver.run(calls, "float32")
        assert (x == 3).all() and (y == 6).all()
        for path in dice.sample(sorted(folder.iterdir()), dice.randint(1, 3)) if number < 2 else ():
            if path.is_file():
                dice.choice(DAMAGES)(path, dice)


@pytest.mark.parametrize("where", ["payload", "whole"])
def test_a_full_disk_is_a_line(where: str, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2 if where == "payload" else 0])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    (refused, compiled) = fill(folder, told)
    assert "cannot be written (No space left on device)" in refused and "NETSPEC_CACHE_DIR" in refused
    assert compiled == "compiled copy.fill" and list(folder.iterdir()) == []


def test_without_listeners_python_warns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.remark.cache_clear()
    with pytest.warns(RuntimeWarning, match="something about the cache"):
        cache.remark("something about the cache")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.remark("something about the cache")  # once


def test_no_process_is_started_whose_work_would_be_lost(
    folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.parent.joinpath("kernels").write_text("a file where the folder should be")
    monkeypatch.setattr(compile.subprocess, "Popen", lambda *args, **options: pytest.fail("a process was started"))
    monkeypatch.setattr(compile, "_most_processes", lambda: 4)
    kernels = [JitKernel(one.function) for one in vars(copy).values() if isinstance(one, JitKernel)]
    assert len(kernels) >= 4
    monkeypatch.setattr(JitKernel, "address", lambda self, dtype: 0)
    compile.prepare(kernels, "float32")
    (line,) = told
    assert line == cache.refusal() and str(folder) in line


@pytest.mark.parametrize("executable", ["", None, "/opt/app/server"])
def test_a_program_that_embeds_python_compiles_by_itself(
    executable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile.sys, "executable", executable)
    assert compile._most_processes() == 1


def test_a_file_made_for_other_settings_is_not_used(folder: Path, told: list[str]) -> None:
    file = KernelFile(function("one"))
    file.write(b"-O3", b"code")
    assert (file.read(b"-O3"), file.read(b"-O0")) == (b"code", None)
    assert file.whole() and told == []


@pytest.mark.parametrize("seed", seeds(60))
def test_what_is_read_is_what_was_written_or_nothing(
    seed: int, folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    files = [KernelFile(function(name)) for name in ("one", "two", "three")]
    payloads = [dice.randbytes(dice.choice([0, 1, 40, 3000])) for _ in files]
    for file, payload in zip(files, payloads, strict=True):
        file.write(b"target", payload)
    hit = dice.randrange(3)
    damage = dice.choice(DAMAGES)
    damage(files[hit].path, dice)
    for number, (file, payload) in enumerate(zip(files, payloads, strict=True)):
        found = file.read(b"target")
        assert found in (None, payload)
        assert file.whole() == (found is not None)
        if number != hit:
            assert found == payload
    files[hit].write(b"target", payloads[hit])
    if not files[hit].path.is_dir():  # a folder is not ours to delete
        assert files[hit].read(b"target") == payloads[hit]


def test_a_file_without_end_is_not_read(folder: Path, told: list[str]) -> None:
    file = KernelFile(function("one"))
    file.write(b"target", b"code")
    endless(file.path, random.Random(1))
    assert file.read(b"target") is None


def test_a_foreign_cache_is_not_used(folder: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of another numba, Python or CPU, copied into the folder of this one."""
    file = KernelFile(function("one"))
    file.write(b"target", b"code")
    monkeypatch.setattr(cache, "digest", lambda: "f" * 16)
    assert KernelFile(function("one")).read(b"target") is None


def test_the_digest_follows_all_that_changes_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        cache.digest.cache_clear()
        return cache.digest()

    import numba

    first = digest()
    try:
        for name, value in (("OPT", 0), ("BOUNDSCHECK", 1), ("SLP_VECTORIZE", 1), ("LOOP_VECTORIZE", 0)):
            with monkeypatch.context() as patch:
                patch.setattr(numba.config, name, value)
                assert digest() != first
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, "COLOR_SCHEME", "dark_bg")
            patch.setattr(numba.config, "NUMBA_NUM_THREADS", 77)
            assert digest() == first
        with monkeypatch.context() as patch:
            patch.setenv("NETSPEC_VECTOR_BYTES", "16")
            assert digest() != first
    finally:
        assert digest() == first
    assert all(not name.startswith("CUDA") for name, _ in environment.settings())


def test_old_code_is_pruned_and_nothing_else(folder: Path, told: list[str]) -> None:
    old = time.time() - (cache.KEPT_DAYS + 1) * 86400
    other, foreign = folder.with_name("a" * 16), folder.with_name("mine")
    for path in (
        other / "x.kernel",
        other / "y.nbc",
        foreign / "z.kernel",
        folder / "old.kernel",
        folder / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (old, old))
    used = KernelFile(function("used"))
    used.write(b"target", b"code")
    os.utime(used.path, (old, old))
    assert used.read(b"target") == b"code"  # which makes it young again
    cache._prune.cache_clear()
    KernelFile(function("new")).write(b"target", b"code")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["new.kernel", "notes.txt", "used.kernel"]
    assert not other.exists() and (foreign / "z.kernel").exists()


def test_without_a_home_nothing_is_kept_in_the_current_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETSPEC_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "~/.cache/netspec")
    root = cache._root.__wrapped__()
    assert not root.is_relative_to(here) and root.is_absolute()


def test_every_tuple_that_kernels_take_is_part_of_the_digest() -> None:
    """A tuple from a file that the digest leaves out could meet code that was compiled for other fields."""
    every = [importlib.import_module(f"netspec.kernels.{one.name}") for one in pkgutil.iter_modules(kernels.__path__)]
    made = {one for module in every for one in vars(module).values() if isinstance(one, JitKernel)}
    homes = {record.__module__ for one in made for param in one.params for record in param.records().values()}
    own = {f"netspec.core.{name.removesuffix('.py')}" for name in cache.TUPLES}
    others = {home for home in homes if not home.startswith(("netspec.kernels.", "netspec.codegen."))}
    assert others == own
