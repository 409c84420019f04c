"""A quiet machine, one busy core, all cores busy: forward of LeNet for one image and train steps, beside PyTorch.

python -m benchmarks.busy [NET ...] [--seconds N] [--json FILE]

Other programs are processes that compute and never sleep, started here. Medians of steps tell how long a user waits,
means tell how much is done in an hour. Run it on a machine that is otherwise idle.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import machine
from benchmarks.clock import alternate
from benchmarks.in_torch import TorchNet, TorchStepper
from benchmarks.nets import ENTRIES, Stepper, deployed, random_batch, training
from benchmarks.tables import Column, rich
from netspec.codegen import driver

NETS = ("lenet", "mlp", "resnet20")
COLUMNS = (
    Column("what", "what"),
    Column("busy", "busy cores", "d"),
    *(
        Column(f"{side} {figure}", f"{side} {figure} ms", ",.3f")
        for side in ("netspec", "torch")
        for figure in ("median", "mean")
    ),
    Column("slower", "x quiet", ".2f"),
    Column("torch slower", "torch's", ".2f"),
)


@contextmanager
def others(count: int) -> Iterator[None]:
    """So many other programs that compute for as long as the body runs."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def rivals(net: str, batch: int | None) -> dict[str, Any]:
    """What is timed of a net: a train step, or with a batch a forward pass."""
    shaped = training(net, ENTRIES[net].batch) if batch is None else deployed(net, batch)
    mine = Stepper(shaped, random_batch(shaped))
    theirs = TorchStepper(TorchNet(shaped, mine.weights), mine.batch)
    return (
        {"netspec": mine.step, "torch": theirs.step}
        if batch is None
        else {"netspec": mine.infer, "torch": theirs.infer}
    )


def rows(what: str, runs: dict[str, Any], cores: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each number of busy cores."""
    found: list[dict[str, Any]] = []
    for busy in range(cores + 1):
        with others(busy):
            times = alternate(runs, seconds)
        row: dict[str, Any] = {"what": what, "busy": busy}
        for side, of in times.items():
            row[f"{side} median"], row[f"{side} mean"] = statistics.median(of.steps), statistics.fmean(of.steps)
        quiet = found[0] if found else row
        row["slower"] = row["netspec median"] / quiet["netspec median"]
        row["torch slower"] = row["torch median"] / quiet["torch median"]
        found.append(row)
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Time the nets and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description="How busy cores slow a net down.")
    parser.add_argument("nets", nargs="*", choices=[[], *ENTRIES], default=[], metavar="NET")
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides, and most busy cores (default 2)")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each state of each net (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    given = parser.parse_args(words)
    torch.set_num_threads(given.threads)
    driver.limit_threads(given.threads)
    here = machine.describe(given.threads)
    found = rows("lenet, forward of 1", rivals("lenet", 1), given.threads, given.seconds)
    for net in given.nets or NETS:
        what = f"{net}, step of {ENTRIES[net].batch}"
        found += rows(what, rivals(net, None), given.threads, given.seconds)
    progress = Console(width=None if Console().is_terminal else 180)
    progress.print(here.sentence)
    progress.print(rich("Other programs on so many cores", COLUMNS, found))
    if given.json:
        given.json.write_text(json.dumps({"mode": "busy", "machine": here.facts, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
