"""The race: netspec against its peers, net by net, by turns, after a check that all compute the same.

python -m benchmarks.race                    train steps of every net in the table: PyTorch, Keras
python -m benchmarks.race lenet resnet20     of these alone
python -m benchmarks.race --inference        forward of the deployed nets, one image and 32: PyTorch, ONNX Runtime
python -m benchmarks.race --memory           peak memory of ten steps, each in a fresh process
python -m benchmarks.race --scaling          time per image for batches of 8 to 256
python -m benchmarks.race --layers lenet     layer by layer
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import inference, layers, machine, memory, results, scaling, tables, training
from benchmarks.check import Disagreement
from benchmarks.clock import FEWEST
from benchmarks.nets import ENTRIES, Entry
from netspec.codegen import driver

QUICK = 10.0
"""Seconds per net with --quick; one round is enough then."""
INTERRUPTED = 130


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.race", description="netspec against its peers, on this machine."
    )
    parser.add_argument(
        "nets", nargs="*", choices=[[], *ENTRIES], default=[], metavar="NET", help="nets to race (default: all)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every side (default 2)")
    _add_lengths(parser)
    parser.add_argument("--keras", metavar="PYTHON", help="a Python that has keras and tensorflow, to race them too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, after every net")
    parser.add_argument("--write", action="store_true", help="keep the rows, and write the tables of the README anew")
    _add_modes(parser)
    given = parser.parse_args(words)
    given.fewest = 1 if given.quick else FEWEST
    if given.write and given.layers:
        parser.error("--layers has no table to write")
    if given.quick:
        given.seconds = min(given.seconds, QUICK)
    return given


def _add_lengths(parser: argparse.ArgumentParser) -> None:
    """The options that say how long a net is raced, and which of its times count."""
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


def _add_modes(parser: argparse.ArgumentParser) -> None:
    """The options that race something else than train steps."""
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


class Race:
    """The nets of one mode, one after the other: their rows so far, and the words and files that show them."""

    def __init__(self, mode: Any, given: argparse.Namespace, here: machine.Machine) -> None:
        self.mode, self.given, self.here = mode, given, here
        self.rows: list[dict[str, Any]] = []
        self.progress = Console(stderr=True)

    def run(self, entries: Sequence[Entry]) -> None:
        """Race every net. A net that fails has rows that say so."""
        for number, entry in enumerate(entries, 1):
            self.progress.print(f"[dim]{entry.net} ({number} of {len(entries)}) ...[/]")
            for row in self._rows(entry):
                self.here.facts["versions"] |= row.pop("versions", {})
                self.rows.append(row)
            self._save()
            gc.collect()

    def _rows(self, entry: Entry) -> Iterator[dict[str, Any]]:
        try:
            yield from self.mode.rows(entry, self.given, self.here, self.progress)
        except Disagreement as error:
            yield from self._failed(entry, "the check", str(error))
        except Exception as error:  # the other nets are raced all the same
            self.progress.print(traceback.format_exc(), markup=False, highlight=False)
            yield from self._failed(entry, "failed", f"{type(error).__name__}: {error}")

    def _failed(self, entry: Entry, missed: str, why: str) -> Iterator[dict[str, Any]]:
        """A row for each batch that is not timed."""
        self.progress.print(f"{entry.net} is not raced: {why}", style="red", markup=False)
        for batch in getattr(self.mode, "BATCHES", (entry.batch,)):
            yield {"net": entry.net, "batch": batch, "missed": missed, "refused": why}

    def _save(self) -> None:
        """Write the file of --json with what there is."""
        if self.given.json:
            found = {"mode": self.mode.MODE.name, "machine": self.here.facts, "rows": self.rows, "mean": self.mean}
            self.given.json.write_text(json.dumps(found, indent=1) + "\n")

    def show(self) -> None:
        """Print the table and its notes; keep the rows with --write."""
        mode = self.mode.MODE
        screen = Console(width=None if Console().is_terminal else 200)
        screen.print(tables.rich(mode.title, mode.columns, self.rows))
        for note in results.notes(mode, self.rows):
            screen.print(note, highlight=False, markup=False)
        if self.given.write and self.rows:
            results.keep(mode, self.here.facts, self.rows)

    @property
    def missed(self) -> bool:
        """Whether a check failed, or a target was missed."""
        return bool(self.mean.get("missed")) or any(row.get("missed") for row in self.rows)

    @property
    def mean(self) -> dict[str, Any]:
        """The geometric means of training; other modes have none."""
        return results.mean(self.rows) if self.mode is training else {}


def main(words: Sequence[str] | None = None) -> int:
    """Run the mode that the command line asks for; 1 if a check failed or a target was missed, 130 if interrupted."""
    given = arguments(words)
    torch.set_num_threads(given.threads)
    driver.limit_threads(given.threads)
    mode, names = (layers, [given.layers]) if given.layers else (given.mode, given.nets or mode_nets(given.mode))
    race = Race(mode, given, machine.describe(given.threads))
    race.progress.print(race.here.sentence)
    try:
        race.run([ENTRIES[name] for name in names])
    except KeyboardInterrupt:
        race.show()
        return INTERRUPTED
    race.show()
    return int(race.missed)


def mode_nets(mode: Any) -> list[str]:
    """The nets of a mode: all, unless it has its own."""
    return list(getattr(mode, "NETS", ENTRIES))


if __name__ == "__main__":
    raise SystemExit(main())
