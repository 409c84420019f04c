"""Timing: the program of a net, run layer by layer on random data. Source: Caffe's `caffe time`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from netspec.core import rng
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import fill_weights
from netspec.net.graph import Graph, Node
from netspec.net.labels import draw_labels
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array

SEED = 1
"""Of the weights and inputs; their values change no time."""


@dataclass(frozen=True)
class LayerTime:
    """Median milliseconds of one layer with the layers that it computes along with itself.

    `type` names all of them; `kernels` are the kernel files that forward runs.
    """

    name: str
    type: str
    kernels: str
    forward: float
    backward: float


@dataclass(frozen=True)
class NetTime:
    """Median milliseconds of a net's layers, and of whole passes without a pause between layers."""

    net: str
    batch: int
    threads: int
    iterations: int
    layers: tuple[LayerTime, ...]
    forward: float
    backward: float
    forward_backward: float
    unit: str


def time_net(
    shaped: ShapedGraph, dtype: str, iterations: int, threads: int | None, without: Sequence[str] = ()
) -> NetTime:
    """Time a net in one phase: every layer alone, then whole passes. `without` names rewrites to leave out."""
    from netspec.codegen import environment

    environment.load()
    from netspec.codegen import driver

    used = driver.limit_threads(threads)
    shaped, memory = compile_net(shaped, dtype, without=without)
    program = bind(shaped, memory, fill_weights(shaped, dtype, SEED), SEED)
    shown = _rows(program.graph)
    program.prepare()
    ahead, back, whole = _measure(program, shown, _batches(program), iterations)
    middle = statistics.median
    runs = [("seed", node.index) in program.nodes or ("backward", node.index) in program.nodes for node in shown]

    def row(node: Node, forward: list[float], backward: list[float], runs: bool) -> LayerTime:
        words = (node.layer.name, _type(program.graph, node), _kernels(program, node))
        return LayerTime(*words, middle(forward), middle(backward) if runs else 0.0)

    layers = tuple(map(row, shown, ahead, back, runs))
    first, second, both = (middle(column) for column in zip(*whole, strict=True))
    return NetTime(program.graph.name, shaped.batch, used, iterations, layers, first, second, both, shaped.unit)


def _batches(program: Program) -> list[Array]:
    """Random values for each input; random classes where they are labels."""
    random = rng.generator(SEED, "time")
    batches = [random.random(array.shape) for array in program.inputs]
    draw_labels(program.shaped, batches, random)
    return batches


def _measure(
    program: Program, shown: list[Node], batches: list[Array], iterations: int
) -> tuple[list[list[float]], list[list[float]], list[tuple[float, float, float]]]:
    """Milliseconds of each layer's forward and backward and of whole passes, by iteration, after a round to warm up."""

    def feed() -> None:
        for array, values in zip(program.inputs, batches, strict=True):
            array[...] = values

    def clock(run: Callable[[], object]) -> float:
        begun = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - begun)

    ahead: list[list[float]] = [[] for _ in shown]
    back: list[list[float]] = [[] for _ in shown]
    whole: list[tuple[float, float, float]] = []
    for round_ in range(iterations + 1):
        feed()
        for node, times in zip(shown, ahead, strict=True):
            times.append(clock(partial(program.run_node, "forward", node.index)))
        for node, times in zip(reversed(shown), reversed(back), strict=True):
            times.append(clock(partial(_node_backward, program, node.index)))
        feed()
        one = clock(lambda: program.run("forward", "loss"))
        two = clock(lambda: program.run("backward"))
        feed()
        whole.append((one, two, clock(lambda: program.run("forward", "backward"))))
        if round_ == 0:
            whole.clear()
            ahead, back = [[] for _ in shown], [[] for _ in shown]
    return ahead, back, whole


def _rows(graph: Graph) -> list[Node]:
    """The layers that get a row: layers of the spec, unless another layer computes them, and conversions that run."""
    written = {node.index for node in graph.written}
    return [node for node in graph.nodes if graph.runs(node) or (node.index in written and not node.absorbed)]


def _type(graph: Graph, node: Node) -> str:
    """Types of a layer and of the layers that it computes along with itself: Convolution + ReLU."""
    guests = (graph.nodes[index] for index in sorted(node.along.values()))
    return " + ".join((node.layer.type, *(guest.layer.type for guest in guests)))


def _kernels(program: Program, node: Node) -> str:
    """Files of `kernels/` that a layer's forward uses: winograd, conv or depthwise tells a convolution's algorithm."""
    first, last = program.nodes.get(("forward", node.index), (0, 0))
    return " ".join(dict.fromkeys(str(step.call.kernel).partition(".")[0] for step in program.table.steps[first:last]))


def _node_backward(program: Program, node: int) -> None:
    program.run_node("seed", node)
    program.run_node("backward", node)
