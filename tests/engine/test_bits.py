"""Promise 4 on nets that use every kind of kernel: bits do not depend on threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NETS = {
    "resnet20": ["16", "vars.n=1"],
    "mobilenet_v1": ["3", "vars.width=0.25", "vars.size=64", "vars.classes=7"],
    "resnet50": ["2", "layers.data.shape=[[2,3,64,64],[2]]", "vars.classes=7"],
    "densenet121": ["2", "layers.data.shape=[[2,3,64,64],[2]]", "vars.classes=7", "vars.units=[2,3,2,2]"],
    "cifar10_quick": ["9"],
    "transformer_fashion": ["5"],
}


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_threads_change_no_bit(net: str) -> None:
    words = [sys.executable, "-m", "tests.helpers.bits", net, *NETS[net]]
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    (one, first), (two, second) = (line.split() for line in done.stdout.splitlines())
    assert (one, two) == ("1", "2")
    assert first == second
