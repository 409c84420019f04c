"""Forward passes of the deployed nets: phase TEST, running statistics, no loss, for one image and for 32."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks import in_onnx, modes
from benchmarks.check import check_scores
from benchmarks.clock import PEERS, alternate, figures, missed
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import Entry, Stepper, deployed, random_batch, total_flops

MODE = modes.INFERENCE
BATCHES = (1, 32)


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """A net's row for each batch. Raises Disagreement."""
    return [_row(entry.net, batch, given, here) for batch in BATCHES]


def _row(net: str, size: int, given: argparse.Namespace, here: Machine) -> dict[str, Any]:
    shaped = deployed(net, size)
    stepper = Stepper(shaped, random_batch(shaped))
    mine = stepper.scores()
    peers = {
        name: TorchStepper(TorchNet(shaped, stepper.weights, layout), stepper.batch) for name, layout in LAYOUTS.items()
    }
    error = check_scores(mine, peers["eager"].scores(), "torch")
    rivals = {"netspec": stepper.infer} | {name: peer.infer for name, peer in peers.items()}
    said: dict[str, Any] = {}
    if absent := in_onnx.missing():
        said["note"] = f"ONNX Runtime is not raced, {' and '.join(absent)} not being installed"
    else:
        onnx = in_onnx.OnnxStepper(TorchNet(shaped, stepper.weights), stepper.batch, given.threads)
        check_scores(mine, onnx.scores(), "ONNX Runtime")
        rivals["onnx"], said["versions"] = onnx.infer, onnx.versions
    times = alternate(rivals, given.seconds / len(BATCHES), given.rounds, given.fewest)
    found = figures(times, size, total_flops(shaped, "TEST"), here.peak, given.typical)
    return {"net": net, "missed": missed(found, dict.fromkeys(PEERS, 1.0)), **found, "error": error, **said}
