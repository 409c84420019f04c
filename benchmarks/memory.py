"""Peak resident memory of ten training steps, each side in a fresh process, beyond what it holds after its imports.

netspec's kernels are in the cache beforehand. python -m benchmarks.memory NET SIDE THREADS prints one side's MiB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import modes
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, ENTRIES, MOMENTUM, RATE, Entry, Stepper, random_batch, training

MODE = modes.MEMORY
SIDES = ("netspec", "eager", "channels_last")
STEPS = 10


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """The one row of a net."""
    Stepper(training(entry.net, entry.batch), [])  # compiles what is not in the cache
    peaks = {side: _child(entry.net, side, given.threads) for side in SIDES}
    return [{"net": entry.net, "batch": entry.batch, **peaks, "share": peaks["netspec"] / peaks["eager"]}]


def _child(net: str, side: str, threads: int) -> float:
    words = [sys.executable, "-m", "benchmarks.memory", net, side, str(threads)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def measure(net: str, side: str, threads: int) -> float:
    """Peak MiB of ten steps in this process, less what it holds before it builds the net."""
    build = _imported(side, threads)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    step = build(ENTRIES[net])
    for _ in range(STEPS):
        step()
    return _resident("VmHWM") - before


def _imported(side: str, threads: int) -> Callable[[Entry], Callable[[], None]]:
    """Import the modules of a side. Returns a function that builds its net and returns its step."""
    if side == "netspec":
        from netspec.codegen import driver

        driver.limit_threads(threads)
        return _netspec_step
    import torch

    torch.set_num_threads(threads)
    return lambda entry: _torch_step(entry, side)


def _netspec_step(entry: Entry) -> Callable[[], None]:
    shaped = training(entry.net, entry.batch)
    return Stepper(shaped, random_batch(shaped)).step


def _torch_step(entry: Entry, side: str) -> Callable[[], None]:
    """Weights are drawn one by one, so that this side holds no other copy of them."""
    from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper

    shaped = training(entry.net, entry.batch)
    net = TorchNet(shaped, map(_small, shaped.params), LAYOUTS[side])
    return TorchStepper(net, random_batch(shaped), RATE, MOMENTUM, DECAY).step


def _small(shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.random.default_rng(0).standard_normal(shape, np.float32) * 0.01


def _resident(word: str) -> float:
    """MiB of resident memory as the kernel counts it: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


if __name__ == "__main__":
    print(measure(sys.argv[1], sys.argv[2], int(sys.argv[3])))
