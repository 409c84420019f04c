"""Promise 4 on nets that use every kind of kernel: bits do not depend on threads.

Results are equal on one thread and on two, under numba's `omp` and its `workqueue`.
"""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys

import pytest

NETS = {
    "resnet20": ["16", "vars.n=1"],
    "mobilenet_v1": ["3", "vars.width=0.25", "vars.size=64", "vars.classes=7"],
    "cifar10_quick": ["9"],
}


def lines(layer: str, net: str) -> list[list[str]]:
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    words = [sys.executable, "-m", "tests.helpers.bits", net, *NETS[net]]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_threads_and_threading_layers_change_no_bit(net: str) -> None:
    (one, layer, first), (two, _, second) = lines("workqueue", net)
    assert (one, two, layer) == ("1", "2", "workqueue")
    assert first == second
    if ctypes.util.find_library("gomp") is None:
        pytest.skip("no libgomp here: the workqueue layer was checked alone")
    assert [row[1:] for row in lines("omp", net)] == [["omp", first]] * 2
