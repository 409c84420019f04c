"""Is the time of a training step linear in the batch? Milliseconds per image for batches of 8 to 256."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks.clock import alternate
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Stepper, random_batch, training
from benchmarks.tables import Column

NAME, TITLE = "scaling", "Milliseconds an image, by batch"
COLUMNS = (
    Column("net", "net"),
    Column("batch", "batch", "d"),
    Column("netspec", "netspec ms/image", ".4f"),
    Column("relative", "beside the largest batch", ".2f"),
    Column("eager", "torch ms/image", ".4f"),
    Column("eager_relative", "beside the largest batch", ".2f"),
    Column("channels_last", "its channels_last", ".4f"),
)
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
    times = alternate(rivals, given.seconds / len(BATCHES), given.rounds)
    return {"net": net, "batch": size, **{name: given.typical(of.steps) / size for name, of in times.items()}}
