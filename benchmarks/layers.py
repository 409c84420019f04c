"""A training step layer by layer: forward and backward of netspec and PyTorch, sorted by the time that netspec loses.

A layer that another layer computes along with itself (ReLU in a Convolution) counts as part of that layer on both
sides; a change of layout has a row of its own. PyTorch runs each group of layers alone: forward on detached bottoms,
then torch.autograd.grad for the gradients that are wanted.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.clock import FEWEST, MOST, milliseconds
from benchmarks.in_torch import LAYOUTS, TorchNet, TorchStepper
from benchmarks.machine import Machine
from benchmarks.modes import Mode
from benchmarks.nets import DECAY, MOMENTUM, RATE, Entry, Group, Stepper, flops, grouped, random_batch, training
from benchmarks.tables import Column

MODE = Mode(
    "layers",
    "Layer by layer, milliseconds forward and backward; `lost` is beside PyTorch's faster layout",
    (
        Column("layers", "layers"),
        Column("type", "type"),
        Column("shape", "first top"),
        Column("netspec_forward", "forward", ".3f"),
        Column("eager_forward", "torch", ".3f"),
        Column("channels_last_forward", "ch. last", ".3f"),
        Column("netspec_backward", "backward", ".3f"),
        Column("eager_backward", "torch", ".3f"),
        Column("channels_last_backward", "ch. last", ".3f"),
        Column("gflops_forward", "GFLOP/s fwd", ".0f"),
        Column("gflops_backward", "bwd", ".0f"),
        Column("best_forward", "torch's fwd", ".0f"),
        Column("best_backward", "bwd", ".0f"),
        Column("ratio", "ratio", ".2f"),
        Column("lost", "lost ms", ".3f"),
    ),
)
Clocked = dict[tuple[int, str], list[float]]
"""Milliseconds of every round, by group and direction. Group -1 is the update of the weights."""


def rows(entry: Entry, given: argparse.Namespace, here: Machine, progress: Console) -> list[dict[str, Any]]:
    """A row for each group of layers, one for the update, and the sums."""
    shaped = training(entry.net, entry.batch)
    batch = random_batch(shaped)
    stepper = Stepper(shaped, batch)
    groups = grouped(stepper.program.graph, shaped.graph)
    sides: dict[str, Callable[[], Iterator[tuple[int, str, float]]]] = {
        "netspec": partial(_netspec_round, stepper, groups)
    }
    for name, layout in LAYOUTS.items():
        net = TorchNet(shaped, stepper.weights, layout)
        peer = TorchStepper(net, batch, RATE, MOMENTUM, DECAY)
        with torch.no_grad():
            blobs = net.blobs(*peer.batch, keep=True)
        sides[name] = partial(_torch_round, peer, groups, blobs)
    times = _rounds(sides, given)
    work = flops(shaped)
    found = [_row(group, members, times, work, stepper) for group, members in groups.items()]
    found.append(_figures({"layers": "(update)"}, {side: of.get(-1, {}) for side, of in times.items()}, (0, 0)))
    found.sort(key=lambda row: -row["lost"])
    return [*found, _total(found)]


def _rounds(
    sides: dict[str, Callable[[], Iterator[tuple[int, str, float]]]], given: argparse.Namespace
) -> dict[str, Any]:
    """Typical times by side, group and direction: sides take turns; the first round is not counted."""
    clocked: dict[str, Clocked] = {side: defaultdict(list) for side in sides}
    most, until = given.rounds or MOST, time.monotonic() + given.seconds
    for number in range(most + 1):
        if not given.rounds and number > FEWEST and time.monotonic() > until:
            break
        for side, run in sides.items():
            for group, direction, took in run():
                if number:
                    clocked[side][group, direction].append(took)
    times: dict[str, Any] = {side: defaultdict(dict) for side in sides}
    for side, of in clocked.items():
        for (group, direction), values in of.items():
            times[side][group][direction] = given.typical(values)
    return times


def _netspec_round(stepper: Stepper, groups: dict[int, Group]) -> Iterator[tuple[int, str, float]]:
    """Each group forward, then backward, then the update, which includes the feed, as that belongs to no layer."""
    program = stepper.program
    fed = milliseconds(stepper.feed)
    for group, members in groups.items():
        yield group, "forward", sum(milliseconds(partial(program.run_node, "forward", i)) for i in members.compiled)
    program.run("loss")
    cleared = milliseconds(partial(program.run, "clear"))
    took: dict[int, float] = defaultdict(float)
    leaders = {i: group for group, members in groups.items() for i in members.compiled}
    for i in sorted(leaders, reverse=True):
        for section in ("seed", "backward"):
            took[leaders[i]] += milliseconds(partial(program.run_node, section, i))
    yield from ((group, "backward", of) for group, of in took.items())
    yield -1, "backward", fed + cleared + milliseconds(partial(program.run, "watch", "commit"))


def _torch_round(
    peer: TorchStepper, groups: dict[int, Group], blobs: dict[int, Tensor]
) -> Iterator[tuple[int, str, float]]:
    """Every group forward and backward on its own, then the update with the gradients found."""
    net = peer.net
    for param in net.params:
        param.grad = None
    for group, (_, members) in groups.items():
        if not members:
            continue
        leaves = _leaves(net, members, blobs)
        tops: list[Tensor] = []
        yield group, "forward", milliseconds(lambda: tops.append(_forward(net, members, leaves)))  # noqa: B023
        params = [net.params[p] for i in members for p in net.graph.nodes[i].params if net.params[p].requires_grad]
        wanted = [*(leaf for leaf in leaves.values() if leaf.requires_grad), *params]
        if not wanted or not tops[0].requires_grad:
            continue
        seed = torch.ones_like(tops[0])
        found: list[Any] = []
        gradients = partial(torch.autograd.grad, tops[0], wanted, seed, allow_unused=True)
        yield group, "backward", milliseconds(lambda: found.extend(gradients()))  # noqa: B023
        for param, gradient in zip(reversed(params), reversed(found), strict=False):
            param.grad = gradient if param.grad is None else param.grad + gradient
    yield -1, "backward", milliseconds(peer.solver.step)


def _leaves(net: TorchNet, members: list[int], blobs: dict[int, Tensor]) -> dict[int, Tensor]:
    """The bottoms of a group that other groups write, detached; they require a gradient where it is wanted."""
    nodes = [net.graph.nodes[i] for i in members]
    inside = {top for node in nodes for top in node.tops}
    wanted = {
        b: flow for node in nodes for b, flow in zip(node.bottoms, node.propagate, strict=True) if b not in inside
    }
    return {b: blobs[b].detach().requires_grad_(flow) for b, flow in wanted.items()}


def _forward(net: TorchNet, members: list[int], leaves: dict[int, Tensor]) -> Tensor:
    """Run a group forward: the first top of its last layer. Leaves are not overwritten."""
    known = dict(leaves)
    for i in members:
        node = net.graph.nodes[i]
        overwrite = i in net.overwrites and node.bottoms[0] not in leaves
        known.update(zip(node.tops, net.apply(node, [known[b] for b in node.bottoms], overwrite), strict=True))
    return known[net.graph.nodes[members[-1]].tops[0]]


def _row(
    group: int, members: Group, times: dict[str, Any], work: dict[int, tuple[int, int]], stepper: Stepper
) -> dict[str, Any]:
    graph = stepper.program.graph
    layers = [graph.nodes[i].layer for i in members.compiled]
    names = {
        "layers": " + ".join(layer.name for layer in layers),
        "type": " + ".join(layer.type for layer in layers),
        "shape": "x".join(map(str, stepper.program.shaped.blobs[graph.nodes[group].tops[0]])),
    }
    ahead, back = (sum(work.get(i, (0, 0))[direction] for i in members.written) for direction in (0, 1))
    return _figures(names, {side: of[group] for side, of in times.items()}, (ahead, back))


def _figures(names: dict[str, str], times: dict[str, dict[str, float]], work: tuple[int, int]) -> dict[str, Any]:
    """A row: times by side and direction, rates where there is work to count, and what netspec loses."""
    row: dict[str, Any] = {**names}
    for direction, operations in zip(("forward", "backward"), work, strict=True):
        took = {side: of.get(direction, 0.0) for side, of in times.items()}
        best = min(took[side] for side in LAYOUTS)
        row |= {f"{side}_{direction}": value for side, value in took.items()}
        if operations:
            row |= {
                f"gflops_{direction}": operations / took["netspec"] / 1e6,
                f"best_{direction}": operations / best / 1e6,
            }
    return row | _compared(row)


def _compared(row: dict[str, Any]) -> dict[str, float]:
    mine, *peers = (row[f"{side}_forward"] + row[f"{side}_backward"] for side in ("netspec", *LAYOUTS))
    return {"lost": mine - min(peers), "ratio": min(peers) / mine if mine else 1.0}


def _total(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The sums of all rows."""
    keys = [f"{side}_{direction}" for side in ("netspec", *LAYOUTS) for direction in ("forward", "backward")]
    row: dict[str, Any] = {"layers": "(all)", **{key: sum(each[key] for each in found) for key in keys}}
    return row | _compared(row)
