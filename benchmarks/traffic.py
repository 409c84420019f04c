"""What a training step moves, layer by layer: megabytes that steps read and write, and their milliseconds.

python -m benchmarks.traffic NET [--batch N] [--without a,b] [--rounds 7] [--json FILE]

Two programs of the net stand side by side: without the named rewrites (those that spare passes over memory), and with
all. Each array of a step counts once a step, a view by the values that it shows, whatever the caches hold; what is read
and written counts once. Scratch, which no later layer reads, has columns of its own. A layer that another layer
computes along with itself counts as part of that layer. Times are medians over rounds in which each step runs alone,
both programs by turns; `--rounds 0` counts bytes alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from benchmarks.nets import ENTRIES, Stepper, grouped, random_batch, training
from benchmarks.tables import Column, rich
from netspec.codegen import driver
from netspec.engine.program import Program, Step
from netspec.engine.rewrite import FUSING
from netspec.net.shaped import ShapedGraph

THREADS, ROUNDS = 2, 7
SIDES = ("before", "after")
"""Without the named rewrites, and with all."""
REST, ALL = "(rest of the step)", "(all)"
COLUMNS = (
    Column("layers", "layers"),
    Column("shape", "first top"),
    *(
        Column(f"{key}_{side}", f"{heading} {side}" if side == "before" else side, form)
        for key, heading, form in (
            ("mb_forward", "MB forward", ".1f"),
            ("mb_backward", "MB backward", ".1f"),
            ("mb_scratch", "MB scratch", ".1f"),
            ("ms_forward", "ms forward", ".2f"),
            ("ms_backward", "ms backward", ".2f"),
        )
        for side in SIDES
    ),
    Column("mb_share", "MB after / before", ".2f"),
    Column("ms_share", "ms", ".2f"),
)

Extent = tuple[int, int]
"""An array's address, and the bytes from its first value to the end of its last."""


class Place(NamedTuple):
    """Where a step's figures go: the first node of a group of layers, -1 for the rest of the step, and a direction."""

    group: int
    direction: str


def extent(array: np.ndarray[Any, Any]) -> Extent:
    """The memory that an array spans."""
    reach = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True))
    return array.ctypes.data, (reach + array.itemsize) * bool(array.size)


class Reader:
    """Counts the bytes of a program's steps."""

    def __init__(self, program: Program) -> None:
        plan, nodes = program.plan, len(program.graph.nodes)
        blobs = [array for array in (*program.data, *program.diff) if array is not None]
        self.blobs = {extent(array): array.nbytes for array in blobs}
        """Kernels take a blob within a wider blob as one row from its first value to its last."""
        self.base, self.nodes = program.arena.ctypes.data, nodes
        self.scratch = [piece for piece in plan.pieces.values() if piece.key[0] == "work" and not piece.lasting]

    def moved(self, step: Step, direction: str) -> tuple[int, int]:
        """The bytes of a step's arrays, and those of its scratch; each array once."""
        arrays = {extent(one): one.nbytes for one in step.call.values() if isinstance(one, np.ndarray)}
        when = step.node if direction == "forward" else 2 * self.nodes - 1 - step.node
        own = [piece for piece in self.scratch if piece.first <= when <= piece.last] if step.node >= 0 else []
        found = [0, 0]
        for (address, reach), size in arrays.items():
            inside = any(0 <= address - self.base - piece.offset < piece.bytes for piece in own)
            found[inside] += min(size, self.blobs.get((address, reach), size))
        return found[0], found[1]


class Side:
    """A program, where its steps belong, and what they move."""

    def __init__(self, shaped: ShapedGraph, without: Iterable[str]) -> None:
        self.stepper = Stepper(shaped, random_batch(shaped), without)
        program = self.stepper.program
        self.groups = grouped(program.graph, shaped.graph)
        leaders = {index: group for group, members in self.groups.items() for index in members.compiled}
        reader = Reader(program)
        self.places: dict[int, Place] = {}
        self.bytes: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
        for number in range(program.ranges["clear"][0], program.ranges["commit"][1]):
            step = program.table.steps[number]
            of = [
                name for name in ("forward", "backward") if program.ranges[name][0] <= number < program.ranges[name][1]
            ]
            inside = of and step.node in leaders
            place = self.places[number] = Place(leaders[step.node], of[0]) if inside else Place(-1, "forward")
            for kind, size in enumerate(reader.moved(step, of[0] if of else "backward")):
                self.bytes[place][kind] += size
        self.times: dict[int, list[float]] = {number: [] for number in self.places}

    def round(self, kept: bool) -> None:
        """A training step, one row of the table after the other."""
        program = self.stepper.program
        self.stepper.feed()
        program.loss[0] = 0.0
        for number, times in self.times.items():
            begun = time.perf_counter()
            program.table.run(number, number + 1)
            if kept:
                times.append(1e3 * (time.perf_counter() - begun))
        program.clock[0] += 1

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row without the other side's columns for each group, and the rest of the step."""
        graph, shapes = self.stepper.program.graph, self.stepper.program.shaped.blobs
        for group in (*self.groups, -1):
            members = self.groups[group].compiled if group >= 0 else []
            row: dict[str, Any] = {"layers": " + ".join(graph.nodes[i].layer.name for i in members) or REST}
            row["shape"] = "x".join(map(str, shapes[graph.nodes[group].tops[0]])) if members else ""
            both = [Place(group, direction) for direction in ("forward", "backward")]
            row["mb_scratch"] = sum(self.bytes[place][1] for place in both) / 1e6
            for place in both:
                row[f"mb_{place.direction}"] = self.bytes[place][0] / 1e6
                own = [times for number, times in self.times.items() if self.places[number] == place and times]
                row[f"ms_{place.direction}"] = sum(map(statistics.median, own)) if any(self.times.values()) else None
            yield row


def joined(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Both sides in one row for each group of layers, and the sums of all."""
    found: dict[str, dict[str, Any]] = {}
    for side, rows in zip(SIDES, (before, after), strict=True):
        for row in rows:
            one = found.setdefault(row["layers"], {"layers": row["layers"], "shape": row["shape"]})
            one |= {f"{key}_{side}": value for key, value in row.items() if key not in {"layers", "shape"}}
    table = list(found.values())
    total: dict[str, Any] = {"layers": ALL, "shape": ""}
    for column in COLUMNS[2:-2]:
        values = [row[column.key] for row in table if row.get(column.key) is not None]
        total[column.key] = sum(values) if values else None
    table.append(total)
    for row in table:
        for unit in ("mb", "ms"):
            values = [[row.get(f"{unit}_{way}_{side}") or 0.0 for way in ("forward", "backward")] for side in SIDES]
            row[f"{unit}_share"] = sum(values[1]) / sum(values[0]) if sum(values[0]) else None
    return table


def measure(net: str, batch: int, without: Iterable[str], rounds: int) -> list[dict[str, Any]]:
    """The table's rows of a net; one round before the others is not counted."""
    shaped = training(net, batch)
    sides = [Side(shaped, without), Side(shaped, ())]
    for number in range(rounds + 1 if rounds else 0):
        for side in sides:
            side.round(kept=number > 0)
    return joined(*(list(side.rows()) for side in sides))


def main() -> None:
    """Print the table of a net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=[*ENTRIES], metavar="NET")
    parser.add_argument("--batch", type=int, help="that of the race where it is left out")
    parser.add_argument(
        "--without", default=",".join(FUSING), metavar="a,b", help="the rewrites that `before` is without"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="takes the rows too")
    words = parser.parse_args()
    driver.limit_threads(THREADS)
    without = [name for name in words.without.split(",") if name]
    batch = words.batch or ENTRIES[words.net].batch
    table = measure(words.net, batch, without, words.rounds)
    title = f"{words.net}, batch {batch}, {THREADS} threads; before: without {', '.join(without) or 'nothing'}"
    Console(width=200).print(rich(title, COLUMNS, table))
    if words.json:
        said = {"net": words.net, "batch": batch, "threads": THREADS, "without": without, "rounds": words.rounds}
        words.json.write_text(json.dumps({**said, "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
