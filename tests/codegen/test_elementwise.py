"""Kernels generated from formulas: their names, when they are compiled anew, formulas that are refused."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.codegen.compile import named
from netspec.codegen.elementwise import found, generated, traced
from netspec.codegen.rows import Value
from netspec.core.calls import Call
from netspec.core.formula import Number
from netspec.core.worked import Term
from netspec.layers.relu import ReLU
from netspec.layers.sigmoid import Sigmoid


def test_a_kernel_is_found_by_its_path() -> None:
    one = generated(ReLU.gradient)
    assert (one.name, one.path) == ("relu.gradient", "netspec.layers.relu:ReLU.gradient")
    assert named(one.path) is one is found(one.path)
    assert [(param.name, param.kind) for param in one.params] == [
        ("y", "Vector"),
        ("dy", "Vector"),
        ("dx", "Vector"),
        ("negative_slope", "float"),
    ]


def test_operations_are_written_down() -> None:
    assert traced(Sigmoid.value) == (
        ("x",),
        ("__neg__", "#0"),
        ("exp", "#1"),
        ("__radd__", "#2", "1.0"),
        ("__rtruediv__", "#3", "1.0"),
        ("result", "#4"),
    )


def test_a_formula_may_not_branch() -> None:
    def bad(x: Any) -> Any:
        return x if x > 0 else 0.0 * x

    with pytest.raises(TypeError, match=r"write a\.where"):
        generated(bad)


@pytest.mark.parametrize("kind", [Value, Term])
def test_vectors_and_words_have_all_that_formulas_compute_with(kind: type) -> None:
    wanted = {name for name, member in vars(Number).items() if inspect.isfunction(member)} - vars(Protocol).keys()
    assert {"exp", "log", "power", "__gt__"} <= wanted - {"__init__", "__subclasshook__"} <= vars(kind).keys()


def test_numbers_alone_and_constants() -> None:
    def level(size: Any) -> Any:
        return size

    def nothing() -> float:
        return 0.5

    y = np.empty(37)
    driver.run([Call(generated(level), y, 3.0)], "float64")
    assert set(y) == {3.0}
    driver.run([Call(generated(nothing), y)], "float64")
    assert set(y) == {0.5}


PLUGIN = """
from netspec.layers.base_elementwise import Elementwise
from helping import bend

class Bent(Elementwise):
    @staticmethod
    def value(x):
        return bend(x)

    @staticmethod
    def gradient(dy):
        return dy
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from bent import Bent
from netspec.codegen import cache, driver
from netspec.codegen.elementwise import generated
from netspec.core.calls import Call
cache.compiling.append(lambda name: print("compiled", name))
y = np.empty(40, np.float32)
driver.run([Call(generated(Bent.value), np.full(40, 3, np.float32), y)], "float32")
print(set(y.tolist()))
"""


def test_an_edited_formula_is_compiled_anew_and_an_old_one_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a plug-in's file, whose formula calls a function of another file: no digest of sources covers either."""
    (tmp_path / "bent.py").write_text(PLUGIN)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def run(text: str) -> list[str]:
        (tmp_path / "helping.py").write_text(f"def bend(x):\n    return {text}\n")
        done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if line != "compiled driver"]

    assert run("x * 2.0") == ["compiled bent.value", "{6.0}"]
    assert run("x * 2.0  # as before") == ["{6.0}"]
    assert run("x * 4.0") == ["compiled bent.value", "{12.0}"]
    assert run("x * 2.0") == ["{6.0}"]


def test_code_that_two_processes_compiled_shares_no_name() -> None:
    """Each numbers its functions by itself: only their names keep two formulas of one name apart in a third process."""
    kernels = [found("netspec.layers.relu:ReLU.gradient"), found("netspec.layers.exp:Exp.gradient")]
    inner, outer = zip(*((one.inner.py_func, one.wrapper("float32")[0]) for one in kernels), strict=True)
    assert inner[0].__qualname__ != inner[1].__qualname__
    assert outer[0].__qualname__ != outer[1].__qualname__
