"""Forward passes of the deployed nets: phase TEST, running statistics, no loss, for one image and for 32."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks.check import check_inference
from benchmarks.clock import alternate, figures
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import Entry, Stepper, deployed, random_batch, total_flops
from benchmarks.tables import SPEEDS, Column

NAME, TITLE = "inference", "Forward passes of the deployed nets"
COLUMNS = (
    Column("net", "net"),
    Column("batch", "batch", "d"),
    *SPEEDS,
    Column("missed", "missed"),
    Column("error", "error", ".0e"),
)
BATCHES = (1, 32)


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """A net's row for each batch. Raises Disagreement."""
    return [_row(entry.net, batch, given, here) for batch in BATCHES]


def _row(net: str, size: int, given: argparse.Namespace, here: Machine) -> dict[str, Any]:
    shaped = deployed(net, size)
    stepper = Stepper(shaped, random_batch(shaped))
    peers = {
        name: TorchStepper(TorchNet(shaped, stepper.weights, layout), stepper.batch) for name, layout in LAYOUTS.items()
    }
    error = check_inference(stepper, peers["eager"].net)
    rivals = {"netspec": stepper.infer} | {name: peer.infer for name, peer in peers.items()}
    found = figures(
        alternate(rivals, given.seconds / len(BATCHES), given.rounds),
        size,
        total_flops(shaped, "TEST"),
        here.peak,
        given.typical,
    )
    return {"net": net, "missed": "1.0 x" * (found["over_best"] < 1), **found, "error": error}
