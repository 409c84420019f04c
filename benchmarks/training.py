"""Train steps, forward, backward and SGD's update: netspec, PyTorch (NCHW and channels_last), Keras for some nets."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks import modes
from benchmarks.check import check_training
from benchmarks.clock import Step, alternate, figures, missed
from benchmarks.in_keras import KerasStepper, NotRacedError, interpreter
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Stepper, random_batch, total_flops, training

MODE = modes.RACE
Row = dict[str, Any]


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[Row]:
    """The one row of a net; where Keras fails, a race without it. Raises Disagreement."""
    if not entry.keras:
        return [_row(entry, given, here, progress)]
    try:
        python = interpreter(given.keras)
        with KerasStepper(python, given.threads) as keras:
            return [_row(entry, given, here, progress, keras)]
    except NotRacedError as error:
        progress.print(f"[dim]  Keras: {error}[/]")
        return [_row(entry, given, here, progress) | {"note": f"Keras is not raced: {error}"}]


def _row(
    entry: Entry, given: argparse.Namespace, here: Machine, progress: Console, keras: KerasStepper | None = None
) -> Row:
    shaped = training(entry.net, entry.batch)
    batch = random_batch(shaped)
    said = {"versions": keras.build(shaped, Stepper(shaped, batch).weights, batch)} if keras else {}
    checked = check_training(shaped, batch, {"Keras": keras.side()} if keras else {})
    for side, agreement in checked.sides.items():
        progress.print(f"[dim]  {side}: {agreement}[/]")
    if keras and not checked.agrees("Keras"):
        raise NotRacedError(f"it computes something else, {checked.sides['Keras']}")
    stepper = Stepper(shaped, batch)
    rivals: dict[str, Step] = {"netspec": stepper.step}
    for name, layout in LAYOUTS.items():
        rivals[name] = TorchStepper(TorchNet(shaped, stepper.weights, layout), batch, RATE, MOMENTUM, DECAY).step
    if keras:
        rivals["keras"] = keras.step
    times = alternate(rivals, given.seconds, given.rounds, given.fewest)
    found = figures(times, entry.batch, total_flops(shaped), here.peak, given.typical)
    errors = {"error": checked.sides["netspec"].gradient, "peer_error": checked.sides["torch"].gradient}
    return {"net": entry.net, "wanted": entry.wanted, "missed": missed(found, entry.speeds), **found, **errors, **said}
