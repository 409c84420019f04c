"""Compiling: what a process is asked for by name, and the names that processes share out among themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.codegen import kernel as jit
from netspec.engine.bind import bind, compile_net
from netspec.engine.weights import fill_weights
from netspec.net.graph import State
from netspec.net.load import load_net


@pytest.mark.parametrize("net", ["lenet", "mobilenet_v1", "googlenet"])
def test_all_that_a_net_compiles_is_found_by_its_name(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shaped, memory = compile_net(load_net(net, [], State("TRAIN"), 2), "float32")
    wanted: set[jit.Compiled] = set()
    monkeypatch.setattr(jit, "prepare", lambda kernels, dtype: wanted.update(kernels))
    monkeypatch.setattr(jit.Compiled, "address", lambda self, dtype: 0)
    bind(shaped, memory, fill_weights(shaped, "float32", 1), 1)
    assert len(wanted) > 20
    for one in wanted:
        assert jit.named(one.path) is one


def test_each_name_is_taken_once(tmp_path: Path) -> None:
    names = ["a.x", "a.y", "b.x"]
    one, other = jit._unclaimed(str(tmp_path), names), jit._unclaimed(str(tmp_path), names)
    taken = [next(one), next(other), *one, *other]
    assert sorted(taken) == names
