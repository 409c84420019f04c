"""Kernels of plug-ins and code files: unique names, compiled forms that are never stale, other processes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.codegen import cache, driver, sources
from netspec.codegen.compile import named
from netspec.codegen.kernel import JitKernel
from netspec.core import code_files
from netspec.core.calls import Call
from tests.helpers.code import LAYER, forgotten


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of kernels that were compiled, and not loaded, from and into an empty folder."""
    names: list[str] = []
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(cache, "compiling", [names.append])
    with forgotten():
        yield names


def cube(path: Path) -> JitKernel:
    """The forward kernel of a code file that is loaded as by a new process."""
    with forgotten():
        netspec.load_code(path)
        (name,) = (name for name, one in code_files.LOADED.items() if one.path == path)
        return sys.modules[name].forward  # type: ignore[no-any-return]


def test_an_edited_file_compiles_anew_and_an_unchanged_one_does_not(tmp_path: Path, compiled: list[str]) -> None:
    path, x, y = tmp_path / "own.py", np.full(3, 2.0), np.zeros(3)
    for text, times, value in (
        (LAYER, 1, 8.0),
        (LAYER, 1, 8.0),
        (LAYER.replace("x[i] * x[i] * x", "x[i] * x"), 2, 4.0),
    ):
        path.write_text(text)
        made = cube(path)
        made.address("float64")
        driver.run([Call(made, x, y, 1.0, parts=1)], "float64")
        assert y[0] == value
        assert len([name for name in compiled if name.startswith("own.")]) == times
        assert made.cached("float64") and cube(path).cached("float64")
    assert not list(tmp_path.rglob("*.pyc"))


def package(folder: Path, name: str, loops: str, beside: str = "SIZE = 2\n") -> JitKernel:
    """The kernel `loops.forward` of a package that is imported as by a new process."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "__init__.py").touch()
    (folder / name / "beside.py").write_text(beside)
    (folder / name / "loops.py").write_text(loops)
    importlib.invalidate_caches()
    for known in [known for known in sys.modules if known.partition(".")[0] == name]:
        del sys.modules[known]
    sources.text_digest.cache_clear()
    return importlib.import_module(f"{name}.loops").forward  # type: ignore[no-any-return]


LOOPS = """
from __future__ import annotations
from {where} import SIZE, longer
from netspec.codegen.kernel import kernel
from netspec.codegen.kinds import Vector

@kernel
def forward(x: Vector, part: int, parts: int) -> None:
    x[0] = longer(SIZE)
"""
BESIDE = """
from netspec.codegen.kernel import helper
SIZE = 2

@helper
def longer(size):
    return size + 1
"""


def test_two_packages_may_have_a_kernel_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    one, two = (
        package(tmp_path, name, LOOPS.format(where=f"{name}.beside"), BESIDE) for name in ("first_own", "second_own")
    )
    assert (one.path, two.path) == ("first_own.loops:forward", "second_own.loops:forward")
    assert one.name == two.name == "loops.forward"
    assert named(one.path) is one and named(two.path) is two
    files = [kernel.wrapper("float32")[0].__name__ for kernel in (one, two)]
    assert files[0] != files[1] and files[0].startswith("first_own_loops_forward_float32_")
    conv = named("conv.convolve")
    assert isinstance(conv, JitKernel)
    assert conv.wrapper("float32")[0].__name__ == "kernels_conv_convolve_float32"


def test_a_compiled_form_depends_on_all_that_its_kernel_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    apart = tmp_path / "apart_own.py"

    def stamp(loops: str = LOOPS, beside: str = BESIDE, where: str = "stamped_own.beside") -> str:
        sys.modules.pop("apart_own", None)
        return sources.stamp(package(tmp_path, "stamped_own", loops.format(where=where), beside).function)

    first = stamp()
    assert stamp() == first
    assert stamp(loops=LOOPS + "# edited\n") != first
    assert stamp(beside=BESIDE.replace("+ 1", "+ 2")) != first
    apart.write_text(BESIDE)
    other = stamp(where="apart_own")
    assert stamp(where="apart_own") == other
    for old, new in (("+ 1", "+ 2"), ("SIZE = 2", "SIZE = 3")):
        apart.write_text(BESIDE.replace(old, new))
        assert stamp(where="apart_own") != other
    given = LOOPS.replace("import SIZE", "import Pair, SIZE").replace("part: int,", "pair: Pair, part: int,")
    pair = BESIDE + "from typing import NamedTuple\nclass Pair(NamedTuple):\n    a: int\n    b: int\n"
    apart.write_text(pair)
    first = stamp(given, where="apart_own")
    apart.write_text(pair.replace("b: int", "b: float"))
    assert stamp(given, where="apart_own") != first


def test_another_process_compiles_the_kernel_of_a_code_file(tmp_path: Path, compiled: list[str]) -> None:
    path = tmp_path / "own.py"
    path.write_text(LAYER)
    netspec.load_code(path)
    claims = tmp_path / "claims"
    claims.mkdir()
    (name,) = code_files.LOADED
    folder = f"cache.cache_folder = lambda: cache.Path({str(tmp_path / 'cache')!r})"
    text = f"{code_files.preamble()}from netspec.codegen import cache, compile; {folder}"
    command = [sys.executable, "-c", f"{text}; compile.compile_named()", "float32", str(claims), f"{name}:forward"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as done:
        assert done.wait() == 0, done.stderr and done.stderr.read()  # it ends early when its standard input is closed
    kernel = named(f"{name}:forward")
    assert kernel.cached("float32")
    kernel.address("float32")
    assert compiled == []


def test_a_kernel_without_a_text_is_not_kept(compiled: list[str], tmp_path: Path) -> None:
    scope = {"__name__": "a_notebook_own"}
    exec(LOOPS.format(where="tests.codegen.test_sources").replace("longer(SIZE)", "1"), scope)
    kernel = scope["forward"]
    assert isinstance(kernel, JitKernel)
    kernel.address("float64")
    assert compiled == ["a_notebook_own.forward"] and not kernel.__class__(kernel.function).cached("float64")
    assert not list((tmp_path / "cache").glob("*.kernel"))


SIZE, longer = 2, None  # what LOOPS imports from here


def test_what_is_said_of_a_kernel_that_does_not_compile(tmp_path: Path, compiled: list[str]) -> None:
    path = tmp_path / "own.py"
    path.write_text(LAYER.replace("y[i] = factor", "y[i] = nothing"))
    with pytest.raises(sources.KernelError, match=r"kernel 'own.forward' does not compile") as caught:
        cube(path).address("float32")
    assert "nothing" in str(caught.value.help)
