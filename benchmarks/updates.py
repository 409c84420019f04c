"""Update rules alone: milliseconds and bandwidth of one update of a large weight, beside a plain kernel and PyTorch.

python -m benchmarks.updates [RULE ...] [--params 25000000] [--threads 2] [--seconds 4] [--write]

"plain" reads and writes the arrays that the rule does, and adds two numbers for each that it writes. PyTorch's
optimizers are `fused` where PyTorch has that form on CPUs, else as they come. The three take turns. The last row is the
pass over the gradients that every iteration makes before its update, unless layers took their sums as they wrote them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console

from benchmarks import machine, tables
from benchmarks.clock import alternate
from benchmarks.tables import Column
from netspec.codegen import driver
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector
from netspec.core.calls import Call, Update
from netspec.engine.program import Step, Table
from netspec.engine.weights import allocate
from netspec.kernels import update
from netspec.training.solvers.base import SOLVERS, UpdateRule

OPTIM = torch.optim
TORCH: dict[str, Callable[..., Any]] = {
    "SGD": partial(OPTIM.SGD, momentum=0.9, fused=True),
    "Nesterov": partial(OPTIM.SGD, momentum=0.9, nesterov=True, fused=True),
    "AdaGrad": partial(OPTIM.Adagrad, fused=True),
    "RMSProp": OPTIM.RMSprop,
    "AdaDelta": OPTIM.Adadelta,
    "Adam": partial(OPTIM.Adam, fused=True),
    "AdamW": partial(OPTIM.AdamW, fused=True),
    "NAdam": OPTIM.NAdam,
    "AdaMax": OPTIM.Adamax,
    "RAdam": OPTIM.RAdam,
    "Rprop": OPTIM.Rprop,
}
RULES = [*TORCH, "QHAdam", "Lion"]
"""The rules that walk over each weight once."""
WANTED, BESIDE = 0.8, 0.97
"""Of the plain kernel's bandwidth, and of the speed of torch.optim.Adam in its fused form."""
COLUMNS = (
    Column("rule", "rule"),
    Column("streams", "streams", "d"),
    Column("ms", "ms", ".2f"),
    Column("rate", "GB/s", ".1f"),
    Column("plain", "plain GB/s", ".1f"),
    Column("of", "of plain", ".0%"),
    Column("torch", "torch ms", ".2f"),
    Column("form", "its form"),
    Column("over", "x torch", ".2f"),
    Column("steps", "steps", "d"),
    Column("missed", "missed"),
)


@kernel
def add_one(w: Vector, diff: Vector, a: Vector, part: int, parts: int) -> None:
    """Five streams. w, diff, a: (M,)."""
    first, last = span(w.size, part, parts)
    w, diff, a = w[first:last], diff[first:last], a[first:last]
    for i in range(w.size):
        a[i] += diff[i]
        w[i] += diff[i]


@kernel
def add_two(w: Vector, diff: Vector, a: Vector, b: Vector, part: int, parts: int) -> None:
    """Seven streams. w, diff, a, b: (M,)."""
    first, last = span(w.size, part, parts)
    w, diff, a, b = w[first:last], diff[first:last], a[first:last], b[first:last]
    for i in range(w.size):
        a[i] += diff[i]
        b[i] += diff[i]
        w[i] += diff[i]


def table(*calls: Call) -> Callable[[], None]:
    """What runs these Calls."""
    steps = [Step("update", "", -1, call, call.kernel.parts(call.args)) for call in calls]
    return partial(Table(steps, "float32").run, 0, len(steps))


def _rivals(name: str, params: int) -> tuple[int, dict[str, Callable[[], None]]]:
    """How many arrays are read or written, and the update, the plain kernel and PyTorch's step by name."""
    cls = SOLVERS.get(name)
    rule: UpdateRule = cls(**{"momentum": 0.9} if "momentum" in cls.model_fields else {})
    slots = rule.state([(params,)]).params[0]
    _, (w, diff, *arrays) = allocate([(params,)] * (2 + len(slots)), "float32")
    random = np.random.default_rng(1)
    for array in (w, diff):
        array[:] = random.standard_normal(params, np.float32)
    history = dict(zip(slots, arrays, strict=True))
    for slot, array in history.items():
        array[:] = slots[slot].start
    now = np.full(1, 1e-6, np.float32), np.ones(2, np.float32)
    run = Update(w, diff, history, *now, 1.0, 0.0, 1e-4, np.array([100, 0]))
    plain = {1: add_one, 2: add_two}[len(slots)]
    rivals = {"netspec": table(*rule.update(run)), "plain": table(Call(plain, w, diff, *arrays))}
    if name in TORCH:
        weight = torch.nn.Parameter(torch.from_numpy(w.copy()))
        weight.grad = torch.from_numpy(diff.copy())
        decay = {} if name == "Rprop" else {"weight_decay": 1e-4}  # which PyTorch's Rprop does not have
        rivals["torch"] = TORCH[name]([weight], lr=1e-6, **decay).step
    return 3 + 2 * len(slots), rivals


def row(name: str, params: int, seconds: float) -> dict[str, Any]:
    """The table's row of one rule."""
    streams, rivals = _rivals(name, params)
    found = alternate(rivals, seconds)
    ms = {each: statistics.median(times.steps) for each, times in found.items()}
    form = getattr(TORCH.get(name), "keywords", {})
    values: dict[str, Any] = {
        "rule": name,
        "streams": streams,
        "ms": ms["netspec"],
        "rate": 4e-6 * streams * params / ms["netspec"],
        "plain": 4e-6 * streams * params / ms["plain"],
        "of": ms["plain"] / ms["netspec"],
        "steps": len(found["netspec"].steps),
    }
    if "torch" in ms:
        values |= {"torch": ms["torch"], "over": ms["torch"] / ms["netspec"]}
        values["form"] = "fused" if "fused" in form else "as it comes"
    if name == "Adam":
        missed = {"plain": values["of"] < WANTED, "torch": values["over"] < BESIDE}
        values["missed"] = ", ".join(who for who, yes in missed.items() if yes)
    return values


def watch(params: int, seconds: float) -> dict[str, Any]:
    """The row of the sum of squares of all gradients."""
    _, (diff,) = allocate([(params,)], "float32")
    diff[:] = 1.0
    step = table(Call(update.sum_of_squares, diff, np.zeros(update.sum_of_squares.parts((diff,)))))
    steps = alternate({"netspec": step}, seconds)["netspec"].steps
    ms = statistics.median(steps)
    return {"rule": "(watch)", "streams": 1, "ms": ms, "rate": 4e-6 * params / ms, "steps": len(steps)}


def main() -> None:
    """Print the table of the rules that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    parser.add_argument("--params", type=int, default=25_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each rule")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    words = parser.parse_args()
    driver.limit_threads(words.threads)
    torch.set_num_threads(words.threads)
    rows = [row(name, words.params, words.seconds) for name in words.rules or RULES]
    rows.append(watch(words.params, words.seconds / 4))
    sentence = f"{machine.describe(words.threads).sentence} {words.params:,} params in float32."
    Console(width=120).print(tables.rich(sentence, COLUMNS, rows))
    if words.write:
        tables.write("updates", sentence, COLUMNS, rows)


if __name__ == "__main__":
    main()
