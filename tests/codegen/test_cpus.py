"""The kernels on other CPUs, emulated: weights after a training there and here differ by roundings alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import netspec
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Phase
from netspec.language.document import dump
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers import cpus, examples

ROOT = Path(__file__).parents[2]
EMULATORS = {"arm64": "qemu-aarch64", "haswell": "qemu-x86_64", "nehalem": "qemu-x86_64"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """`trained(name, *command)`: the weights of one of the nets after a training by that command."""
    folder = tmp_path_factory.mktemp("cpus")

    def train(name: str, *command: str) -> dict[str, Any]:
        file, run = folder / f"{name}.yaml", folder / f"{name} {Path(command[0]).name} {command[1]}"
        file.write_text(dump(cpus.solver(name, folder)), encoding="utf-8")
        if not run.exists():
            words = [*command, "train", str(file), "-o", str(run)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=7200)
            assert done.returncode == 0, done.stderr
        return snapshot.read(run / "snapshots" / snapshot.name(cpus.ITERATIONS)).weights

    return train


OF_DATA = {"resize", "table", "warp"}
"""Kernels that no program runs: feeds call them, and tests/data compares them with slow definitions."""

LARGE = {"pointwise_both", "winograd_near"}
"""Kernels that only large images or large weights run, for which an emulated CPU would take too long; tests/layers and
tests/lowering have their tests."""


def test_the_nets_run_every_kernel_file(tmp_path: Path) -> None:
    used = set()
    for name in cpus.SETTINGS:
        session = Session(load_solver(cpus.solver(name, tmp_path)))
        whole, short = (session.testers["test"].program(size) for size in (cpus.BATCH, cpus.SAMPLES % cpus.BATCH))
        kernels = [step.call.kernel for program in (session.train, whole, short) for step in program.table.steps]
        used |= {kernel.path for kernel in kernels if isinstance(kernel, JitKernel)}
    for phase in get_args(Phase):
        every = netspec.Net(examples.every(), phase=phase, force_backward=True).program
        used |= {step.call.kernel.path for step in every.table.steps if isinstance(step.call.kernel, JitKernel)}
    paths = (ROOT / "netspec" / "kernels").glob("*.py")
    files = {path.stem for path in paths if "@kernel\n" in path.read_text(encoding="utf-8")}
    assert files >= OF_DATA | LARGE
    assert files - OF_DATA - LARGE <= {path.partition(".")[0] for path in used}


def _wanted(cpu: str) -> None:
    if "NETSPEC_EMULATED" not in os.environ or not shutil.which(EMULATORS[cpu]):
        pytest.skip("NETSPEC_EMULATED names no folder for emulated CPUs (see scripts/emulated), or there is no qemu")


@pytest.mark.slow
@pytest.mark.parametrize("cpu", EMULATORS)
def test_every_layer_computes_its_gradients_there(cpu: str, tmp_path: Path) -> None:
    _wanted(cpu)
    net = tmp_path / "every.yaml"
    net.write_text(dump(examples.every()), encoding="utf-8")
    command = [str(ROOT / "scripts" / "emulated"), cpu, "gradcheck", str(net)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=14400)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", cpus.SETTINGS)
@pytest.mark.parametrize("cpu", EMULATORS)
def test_another_cpu_trains_the_same(cpu: str, name: str, trained: Callable[..., dict[str, Any]]) -> None:
    _wanted(cpu)
    here = trained(name, sys.executable, "-m", "netspec")
    there = trained(name, str(ROOT / "scripts" / "emulated"), cpu)
    assert here.keys() == there.keys()
    distance = max(np.abs(there[key] - value).max() / max(np.abs(value).max(), 1) for key, value in here.items())
    print(f"{cpu} {name}: {distance:.1e}")  # noqa: T201 - pytest -s shows the figures
    assert distance <= cpus.APART[name]
