"""Layers alone: `python -m benchmarks.alone [NAME ...]` runs the cases whose names begin so.

Each side keeps its arrays from step to step; netspec runs the layer's steps in a bound program, PyTorch the function
and torch.autograd.grad, NumPy the formulas. `--write` puts the rows into benchmarks/README.md, beside those that are
there.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from rich.console import Console
from torch import Tensor

from benchmarks import machine, results, tables
from benchmarks.alone import losses, normalising, pointwise, products, sequences, spatial
from benchmarks.alone.case import Case
from benchmarks.clock import PAUSE, TURN, milliseconds
from benchmarks.modes import ALONE
from benchmarks.nets import Stepper, random_batch
from netspec.codegen import driver
from netspec.layers.base import LAYERS
from netspec.net.graph import State
from netspec.net.load import load_net

CASES: dict[str, Case] = {
    name: case
    for room in (products, sequences, normalising, pointwise, spatial, losses)
    for name, case in room.CASES.items()
}


class Side(Protocol):
    """Somebody who computes a layer."""

    def step(self) -> tuple[float, float]:
        """Milliseconds forward and backward."""
        raise NotImplementedError


class Ours:
    """The layer in a net; a learned Bias below each bottom makes it want a gradient, where the layer gives one."""

    def __init__(self, case: Case) -> None:
        layers: list[dict[str, Any]] = [{"name": "data", "type": "Input", "top": [], "shape": case.shapes}]
        layers[0]["top"] = bottoms = [f"x{i}" for i in range(len(case.shapes))]
        wanting = self._wanting(layers[0], case)
        layers += [
            {"name": f"below{i}", "type": "Bias", "axis": 0, "num_axes": 0, "bottom": bottoms[i], "top": f"b{i}"}
            for i in wanting
        ]
        own = [f"b{i}" if i in wanting else bottom for i, bottom in enumerate(bottoms)]
        weight = {"loss_weight": 1} if LAYERS.get(case.layer["type"]).differentiable else {}
        layers.append({"name": "layer", "bottom": own, "top": "y", **weight, **case.layer})
        self.stepper = _stepper(layers)
        program = self.stepper.program
        self.node = next(node for node in program.graph.nodes if node.layer.name == "layer")
        self.params = [torch.tensor(program.weights.data[param]) for param in self.node.params]
        for i, values in case.given.items():
            program.data[self.node.bottoms[i]][...] = values
        self.bottoms = [program.data[b].copy() for b in self.node.bottoms]
        self.wanting = wanting

    @staticmethod
    def _wanting(data: dict[str, Any], case: Case) -> list[int]:
        """The bottoms that take a gradient."""
        layer = {"name": "layer", "bottom": data["top"], "top": "y", **case.layer}
        node = load_net({"name": "alone", "layers": [data, layer]}, (), State("TRAIN")).graph.nodes[-1]
        refused = node.layer.without_diff(len(case.shapes))
        return [i for i in range(len(case.shapes)) if node.layer.differentiable and i not in refused]

    def step(self) -> tuple[float, float]:
        """Milliseconds forward and backward, with the clearing of gradients that are added to."""
        program, node = self.stepper.program, self.node.index
        ahead = milliseconds(lambda: program.run_node("forward", node))
        clearing = 0.0 if self.node.stores else milliseconds(lambda: program.run("clear"))
        return ahead, clearing + milliseconds(lambda: program.run_node("backward", node))


def _stepper(layers: list[dict[str, Any]]) -> Stepper:
    shaped = load_net({"name": "alone", "layers": layers}, (), State("TRAIN"))
    stepper = Stepper(shaped, random_batch(shaped))
    stepper.step()
    return stepper


class Torch:
    """PyTorch's function on equal arrays."""

    def __init__(self, function: Callable[[list[Tensor], list[Tensor]], Tensor], ours: Ours) -> None:
        self.function, self.params = function, [p.requires_grad_() for p in ours.params]
        self.bottoms = [torch.tensor(b).requires_grad_(i in ours.wanting) for i, b in enumerate(ours.bottoms)]
        self.seed = torch.ones_like(self.function(self.bottoms, self.params))

    def step(self) -> tuple[float, float]:
        """Milliseconds forward and backward."""
        tops: list[Tensor] = []
        ahead = milliseconds(lambda: tops.append(self.function(self.bottoms, self.params)))
        wanted = [*(b for b in self.bottoms if b.requires_grad), *self.params]
        return ahead, milliseconds(lambda: torch.autograd.grad(tops[0], wanted, self.seed, allow_unused=True))


class NumPy:
    """NumPy's formulas, forward and backward in one."""

    def __init__(self, function: Callable[..., object], ours: Ours) -> None:
        self.function, self.bottoms = function, ours.bottoms

    def step(self) -> tuple[float, float]:
        """Milliseconds of both."""
        return milliseconds(lambda: self._run()), 0.0

    def _run(self) -> None:
        self.function(*self.bottoms)


def measure(name: str, case: Case, turns: int) -> dict[str, Any]:
    """A row of median milliseconds. The sides take turns."""
    ours = Ours(case)
    peer: Side = Torch(case.torch, ours) if case.torch else NumPy(_known(case.numpy), ours)
    times: list[list[tuple[float, float]]] = [[], []]
    for _ in range(turns):
        for side, kept in zip((ours, peer), times, strict=True):
            time.sleep(PAUSE)
            side.step()
            until, first = time.monotonic() + TURN, len(kept)
            while time.monotonic() < until or len(kept) < first + 2:
                kept.append(side.step())
    ahead, back, its_ahead, its_back = (statistics.median(way) for kept in times for way in zip(*kept, strict=True))
    theirs = {"torch_forward": its_ahead, "torch_backward": its_back} if case.torch else {"numpy": its_ahead}
    ratio = (its_ahead + its_back) / (ahead + back)
    shape = " ".join("x".join(map(str, each)) for each in case.shapes)
    return (
        {"case": name, "type": case.layer["type"], "shape": shape, "forward": ahead, "backward": back}
        | theirs
        | {"ratio": ratio}
    )


def _known(function: Callable[..., object] | None) -> Callable[..., object]:
    if function is None:
        raise ValueError("a case needs a peer")
    return function


def main(words: Sequence[str] | None = None) -> None:
    """Measure the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of cases' names; none: all")
    parser.add_argument("--turns", type=int, default=4, help="turns of each side, of a quarter of a second")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side")
    parser.add_argument("--write", action="store_true", help="keep the rows, and write the page's table")
    given = parser.parse_args(words)
    driver.limit_threads(given.threads)
    torch.set_num_threads(given.threads)
    chosen = [name for name in CASES if not given.names or name.startswith(tuple(given.names))]
    here = machine.describe(given.threads) if given.write else None
    rows = [measure(name, CASES[name], given.turns) for name in chosen]
    Console(width=160).print(tables.rich(ALONE.title, ALONE.columns, rows))
    if here:
        results.keep(ALONE, here.facts, rows)


if __name__ == "__main__":
    main()
