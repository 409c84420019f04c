"""Where a net's time goes: milliseconds of each family of kernels, its rate, and what it loses against the machine.

python -m benchmarks.losses NET... [--test BATCH]

Products are rated against the peak that `peak.py` measures: their nominal operations, 2 for each multiply-add of the
layer, whatever the way of computing; so Winograd may exceed 100 %. Other kernels are rated by the bytes of their
arrays, each counted once, against a copy of arrays that no cache holds. "lost": the milliseconds beyond those that the
rate of peak or copy would take.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.console import Console

from benchmarks.nets import ENTRIES, Stepper, deployed, flops, random_batch, training
from benchmarks.peak import peak
from benchmarks.tables import Column, rich
from netspec.codegen import driver
from netspec.core.calls import Call

THREADS, TURNS = 2, 8
PRODUCTS = ("conv", "winograd", "inner_product", "depthwise")
"""Kernel files whose steps compute a layer's products, or prepare them."""
WAYS = {
    "winograd": "Winograd",
    "depthwise": "depthwise",
    "grouped": "grouped",
    "pixels": "1x1",
    "inner_product": "InnerProduct",
}
"""By a word in the names of kernels: the way of computing that they belong to."""
COLUMNS = (
    Column("net", "net"),
    Column("kernels", "kernels"),
    Column("ms", "ms", ".2f"),
    Column("share", "of the step", ".0%"),
    Column("rate", "rate", ".0f"),
    Column("unit", ""),
    Column("of", "of peak or copy", ".0%"),
    Column("lost", "ms lost", ".1f"),
)


@dataclass
class Family:
    """The steps of one direction and one family of kernels, summed."""

    seconds: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0


class Machine(NamedTuple):
    """What the machine can do on THREADS threads: GFLOP/s, and GB/s of a copy (read and written)."""

    gflops: float
    gbytes: float


def copying() -> float:
    """GB/s of copies of 64 MB by netspec's own kernel, the best of several."""
    from netspec.kernels import eltwise

    a, b, y = (np.ones(1 << 24, np.float32) for _ in range(3))
    call = [Call(eltwise.weighted_sum, a, b, y, 1.0, 1.0, float("nan"))]
    best = np.inf
    for _ in range(6):
        begun = time.perf_counter()
        driver.run(call, "float32")
        best = min(best, time.perf_counter() - begun)
    return 3 * a.nbytes / best / 1e9


def _seconds(stepper: Stepper, sections: tuple[str, ...]) -> dict[int, float]:
    """The least seconds of every step of the table."""
    program = stepper.program
    go = stepper.step if "backward" in sections else stepper.infer
    best: dict[int, float] = {}
    for turn in range(TURNS):
        go()
        for section in sections:
            for step in range(*program.ranges[section]):
                begun = time.perf_counter()
                program.table.run(step, step + 1)
                seconds = time.perf_counter() - begun
                best[step] = min(best.get(step, np.inf), seconds) if turn else np.inf
    return best


def _moved(call: Call) -> int:
    """The bytes of a call's arrays, each counted once."""
    arrays = {(a.ctypes.data, a.nbytes): a.nbytes for a in call.values() if isinstance(a, np.ndarray)}
    return sum(arrays.values())


def _way(kernels: Iterable[str]) -> str:
    """The way of computing that the kernels of one layer and direction belong to."""
    text = " ".join(kernels)
    return next((way for word, way in WAYS.items() if word in text), "direct")


def families(net: str, test: int) -> dict[str, Family]:
    """The families of a net's training step, or of its forward pass at a batch of `test`."""
    shaped = deployed(net, test) if test else training(net, ENTRIES[net].batch)
    stepper = Stepper(shaped, random_batch(shaped))
    sections = ("forward",) if test else ("clear", "forward", "loss", "backward", "watch", "update")
    found: dict[str, Family] = defaultdict(Family)
    layers: dict[tuple[int, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for number, seconds in _seconds(stepper, sections).items():
        step = stepper.program.table.steps[number]
        kernel = step.call.kernel.name
        if kernel.startswith(PRODUCTS):
            direction = step.section
            if direction == "backward" and not kernel.startswith("inner_product"):
                direction = "dW" if "gradient" in kernel else "dX"
            layers[step.node, direction][kernel] += seconds
        else:
            family = found[f"{kernel.partition('.')[0]} {step.section}"]
            family.seconds += seconds
            family.bytes += _moved(step.call)
    operations = flops(stepper.program.shaped)
    for (node, direction), kernels in layers.items():
        family = found[f"{_way(kernels)} {direction}"]
        family.seconds += sum(kernels.values())
        family.flops += operations[node][direction == "backward"]
    return found


def rows(net: str, test: int, machine: Machine) -> Iterator[dict[str, object]]:
    """The table's rows of one net, the longest first."""
    found = families(net, test)
    total = sum(family.seconds for family in found.values())
    for name, family in sorted(found.items(), key=lambda each: -each[1].seconds):
        if family.seconds < 0.01 * total:
            continue
        rate, best, unit = family.flops / 1e9, machine.gflops, "GFLOP/s"
        if not family.flops:
            rate, best, unit = family.bytes / 1e9, machine.gbytes, "GB/s"
        lost = family.seconds - rate / best
        rate /= family.seconds
        yield {
            "net": net,
            "kernels": name,
            "ms": 1e3 * family.seconds,
            "share": family.seconds / total,
            "rate": rate,
            "unit": unit,
            "of": rate / best,
            "lost": 1e3 * max(0.0, lost),
        }


def main() -> None:
    """Print the table of the nets that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="+", choices=[*ENTRIES], metavar="NET")
    parser.add_argument("--test", type=int, default=0, metavar="BATCH", help="the forward pass, at this batch size")
    words = parser.parse_args()
    driver.limit_threads(THREADS)
    machine = Machine(peak(THREADS), copying())
    table = [row for net in words.nets for row in rows(net, words.test, machine)]
    title = f"Peak {machine.gflops:.0f} GFLOP/s, copies {machine.gbytes:.0f} GB/s, {THREADS} threads"
    Console(width=120).print(rich(title, COLUMNS, table))


if __name__ == "__main__":
    main()
