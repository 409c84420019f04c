"""Train steps: forward, backward and SGD's update of one batch. netspec, PyTorch as it comes (NCHW), PyTorch with channels_last."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from rich.console import Console

from benchmarks.check import check_training
from benchmarks.clock import Times, alternate
from benchmarks.in_torch import TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Stepper, random_batch, total_flops, training
from benchmarks.tables import Column

NAME, TITLE = "race", "Train steps: forward, backward, SGD with momentum and weight decay"
COLUMNS = (
    Column("net", "net"),
    Column("batch", "batch", "d"),
    Column("netspec", "netspec ms", ",.2f"),
    Column("eager", "torch ms", ",.2f"),
    Column("channels_last", "its ch. last", ",.2f"),
    Column("images", "images/s", ",.0f"),
    Column("over_eager", "x torch", ".2f"),
    Column("target", "wanted", ".1f"),
    Column("over_channels_last", "x ch. last", ".2f"),
    Column("over_best", "x faster", ".2f"),
    Column("gflops", "GFLOP/s", ".0f"),
    Column("share", "of peak", ".0%"),
    Column("best_gflops", "torch's", ".0f"),
    Column("error", "error", ".0e"),
    Column("peer_error", "torch's", ".0e"),
    Column("steps", "steps", "d"),
    Column("missed", "missed"),
)
LAYOUTS = {"eager": torch.contiguous_format, "channels_last": torch.channels_last}


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
    return [_row(entry, times, total_flops(shaped), here) | {"error": ours.gradient, "peer_error": theirs.gradient}]


def _row(entry: Entry, times: dict[str, Times], flops: int, here: Machine) -> dict[str, Any]:
    medians = {name: of.median for name, of in times.items()}
    mine = medians["netspec"]
    best = min(medians["eager"], medians["channels_last"])
    over_eager, over_best, over_last = medians["eager"] / mine, best / mine, medians["channels_last"] / mine
    missed = {"torch": over_eager < entry.eager, "channels_last": over_last < entry.channels_last, "1.0": over_best < 1.0}
    return {
        "net": entry.net,
        "batch": entry.batch,
        **medians,
        "images": 1000 * entry.batch / mine,
        "over_eager": over_eager,
        "over_channels_last": over_last,
        "over_best": over_best,
        "target": entry.eager,
        "gflops": flops / mine / 1e6,
        "share": flops / mine / 1e6 / here.peak,
        "best_gflops": flops / best / 1e6,
        "flops": flops,
        "steps": len(times["netspec"].steps),
        "quartiles": {name: of.quartiles for name, of in times.items()},
        "missed": ", ".join(word for word, short in missed.items() if short),
    }
