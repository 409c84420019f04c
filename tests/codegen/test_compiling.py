"""Compiling: what a process is asked for by name, and the names that processes share out among themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netspec.codegen import cache
from netspec.codegen.compile import named, unclaimed
from netspec.codegen.kernel import Compiled, span
from netspec.engine.bind import bind, compile_net
from netspec.engine.weights import fill_weights
from netspec.net.graph import State
from netspec.net.load import load_net


@pytest.mark.parametrize("net", ["lenet", "mobilenet_v1", "googlenet", "resnext50"])
def test_all_that_a_net_compiles_is_found_by_its_name(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shaped, memory = compile_net(load_net(net, [], State("TRAIN"), 2), "float32")
    wanted: set[Compiled] = set()
    monkeypatch.setattr("netspec.codegen.compile.prepare", lambda kernels, dtype: wanted.update(kernels))
    monkeypatch.setattr(Compiled, "address", lambda self, dtype: 0)
    bind(shaped, memory, fill_weights(shaped, "float32", 1), 1)
    assert len(wanted) > 20
    for one in wanted:
        assert named(one.path) is one


def test_each_name_is_taken_once(tmp_path: Path) -> None:
    names = ["a.x", "a.y", "b.x"]
    one, other = unclaimed(str(tmp_path), names), unclaimed(str(tmp_path), names)
    taken = [next(one), next(other), *one, *other]
    assert sorted(taken) == names


def test_numba_keeps_compiled_code_as_we_know_it() -> None:
    """Fails with the first numba whose private parts are others; only `codegen/cache.py` meets them."""
    assert cache.refusal() is None


WITHOUT = """
import os, sys, warnings
from numba.core.compiler import CompileResult
del CompileResult._rebuild
import numpy as np
from netspec.codegen import cache, driver
from netspec.core.calls import Call
from netspec.kernels import copy
x, y = np.arange(6, dtype="float32"), np.zeros(6, "float32")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    driver.run([Call(copy.copy, x, y)], "float32")
assert (x == y).all(), y
assert not copy.copy.cached("float64") and cache.refusal()
(one,) = said
print(one.message)
"""


def test_a_numba_of_other_cache_classes_compiles_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "compiled anew at every start" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_helper_is_not_for_python() -> None:
    for _ in range(2):  # before kernels compile it and after
        with pytest.raises(TypeError, match=r"only kernels call span\(\); its Python text is span.py_func"):
            span(7, 0, 2)
    assert span.py_func(7, 1, 2) == (3, 7)  # type: ignore[attr-defined]
