"""The race: netspec against PyTorch, net by net, in one process and by turns, after a check that both compute the same.

python -m benchmarks.race                    train steps of every net in the table
python -m benchmarks.race lenet resnet20     of these alone
python -m benchmarks.race --inference        forward of the deployed nets, one image and 32
python -m benchmarks.race --memory           peak memory of ten steps, each in a fresh process
python -m benchmarks.race --scaling          time per image for batches of 8 to 256
python -m benchmarks.race --layers lenet     layer by layer
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import inference, layers, machine, memory, scaling, tables, training
from benchmarks.check import Disagreement
from benchmarks.nets import ENTRIES, Entry
from netspec.codegen import driver

QUICK = 10.0
"""Seconds per net with --quick."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.race", description="netspec against PyTorch, on this machine."
    )
    parser.add_argument(
        "nets", nargs="*", choices=[[], *ENTRIES], default=[], metavar="NET", help="nets to race (default: all)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides (default 2)")
    parser.add_argument("--rounds", type=int, help="rounds (default: as many as fit in --seconds)")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for one net's rounds (default 60)")
    parser.add_argument(
        "--fastest",
        action="store_const",
        const=min,
        default=statistics.median,
        dest="typical",
        help="minima, not medians: busy machines",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:.0f} seconds a net, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/README.md")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--inference", action="store_const", const=inference, dest="mode", help="forward of the deployed nets"
    )
    mode.add_argument(
        "--memory", action="store_const", const=memory, dest="mode", help="peak memory of ten training steps"
    )
    mode.add_argument("--scaling", action="store_const", const=scaling, dest="mode", help="time per image by batch")
    mode.add_argument("--layers", metavar="NET", choices=list(ENTRIES), help="one net, layer by layer")
    parser.set_defaults(mode=training)
    given = parser.parse_args(words)
    if given.write and (given.nets or given.layers):
        parser.error("--write replaces a whole table: leave the nets out")
    if given.quick:
        given.seconds = min(given.seconds, QUICK)
    return given


def collect(
    run: Callable[[Entry], list[dict[str, Any]]], entries: Sequence[Entry], console: Console
) -> list[dict[str, Any]]:
    """The rows of every net; a net that fails its check has one row that says so."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        console.print(f"[dim]{entry.net} ...[/]")
        try:
            rows += run(entry)
        except Disagreement as error:
            console.print(f"[red]{entry.net} is not raced:[/] {error}")
            rows.append({"net": entry.net, "batch": entry.batch, "missed": "the check", "refused": str(error)})
        gc.collect()
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Run the mode that the command line asks for; 1 if a check failed or a target was missed."""
    given = arguments(words)
    torch.set_num_threads(given.threads)
    driver.limit_threads(given.threads)
    mode, names = (layers, [given.layers]) if given.layers else (given.mode, given.nets or mode_nets(given.mode))
    progress = Console(stderr=True)
    here = machine.describe(given.threads)
    progress.print(here.sentence)
    rows = collect(lambda entry: mode.rows(entry, given, here, progress), [ENTRIES[name] for name in names], progress)
    Console(width=None if Console().is_terminal else 180).print(tables.rich(mode.TITLE, mode.COLUMNS, rows))
    if given.json:
        given.json.write_text(json.dumps({"mode": mode.NAME, "machine": here.facts, "rows": rows}, indent=1) + "\n")
    if given.write:
        tables.write(mode.NAME, here.sentence, mode.COLUMNS, rows)
    return int(any(row.get("missed") for row in rows))


def mode_nets(mode: Any) -> list[str]:
    """The nets of a mode: all, unless it has its own."""
    return list(getattr(mode, "NETS", ENTRIES))


if __name__ == "__main__":
    raise SystemExit(main())
