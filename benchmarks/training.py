"""Train steps, forward, backward and SGD's update: netspec, PyTorch as it comes (NCHW), and with channels_last."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks.check import check_training
from benchmarks.clock import alternate, figures
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Stepper, random_batch, total_flops, training
from benchmarks.tables import SPEEDS, Column

NAME, TITLE = "race", "Train steps: forward, backward, SGD with momentum and weight decay"
COLUMNS = (
    Column("net", "net"),
    Column("batch", "batch", "d"),
    *SPEEDS,
    Column("wanted", "wanted", ".1f"),
    Column("missed", "missed"),
    Column("error", "error", ".0e"),
    Column("peer_error", "torch's", ".0e"),
    Column("steps", "steps", "d"),
)


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """The one row of a net. Raises Disagreement."""
    shaped = training(entry.net, entry.batch)
    batch = random_batch(shaped)
    ours, theirs = check_training(shaped, batch)
    progress.print(f"[dim]  netspec: {ours}\n  torch:   {theirs}[/]")
    stepper = Stepper(shaped, batch)
    rivals = {"netspec": stepper.step}
    for name, layout in LAYOUTS.items():
        rivals[name] = TorchStepper(TorchNet(shaped, stepper.weights, layout), batch, RATE, MOMENTUM, DECAY).step
    times = alternate(rivals, given.seconds, given.rounds)
    found = figures(times, entry.batch, total_flops(shaped), here.peak, given.typical)
    errors = {"error": ours.gradient, "peer_error": theirs.gradient}
    return [{"net": entry.net, "wanted": entry.eager, "missed": _missed(entry, found), **found, **errors}]


def _missed(entry: Entry, found: dict[str, Any]) -> str:
    """The peers beside which the target was not reached."""
    short = {
        "torch": found["over_eager"] < entry.eager,
        "ch. last": found["over_channels_last"] < entry.channels_last,
    }
    return ", ".join(word for word, missed in short.items() if missed)
