"""Is the time of a training step linear in the batch? Milliseconds per image for batches of 8 to 256."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks import modes
from benchmarks.clock import alternate
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Stepper, random_batch, training

MODE = modes.SCALING
NETS = ("lenet", "resnet20")
BATCHES = (8, 16, 32, 64, 128, 256)


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """A net's row for each batch."""
    found = [_row(entry.net, batch, given) for batch in BATCHES]
    last = found[-1]
    for row in found:
        row |= {"relative": row["netspec"] / last["netspec"], "eager_relative": row["eager"] / last["eager"]}
    return found


def _row(net: str, size: int, given: argparse.Namespace) -> dict[str, Any]:
    shaped = training(net, size)
    batch = random_batch(shaped)
    stepper = Stepper(shaped, batch)
    rivals = {"netspec": stepper.step}
    for name, layout in LAYOUTS.items():
        rivals[name] = TorchStepper(TorchNet(shaped, stepper.weights, layout), batch, RATE, MOMENTUM, DECAY).step
    times = alternate(rivals, given.seconds / len(BATCHES), given.rounds, given.fewest)
    return {"net": net, "batch": size, **{name: given.typical(of.steps) / size for name, of in times.items()}}
