"""Programs for tests: a net as plain values, bound to memory that starts as NaN, and inputs of random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from netspec.core.calls import Phase
from netspec.engine.bind import bind, compile_net
from netspec.engine.plan import ALIGN, Piece, plan
from netspec.engine.program import SECTIONS, Program, Step
from netspec.engine.updating import Learning, local_decay
from netspec.engine.weights import fill_weights
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.sgd import SGD

POISON = 0xFF  # NaN as float32 and float64, -1 as int32
SEED = 5

Net = dict[str, Any]


def shaped(
    net: Net | str, phase: Phase = "TRAIN", gradients: Any = None, level: int = 0, stages: Sequence[str] = ()
) -> ShapedGraph:
    return load_net(net, state=State(phase, level, tuple(stages)), gradients=gradients)


def poisoned(size: int) -> np.ndarray:
    """Bytes that begin on a cache line."""
    raw = np.full(size + ALIGN, POISON, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + size]


def training(
    net: Net | ShapedGraph,
    keep: bool = True,
    dtype: str = "float64",
    momentum: float = 0.9,
    weight_decay: float = 0.01,
    without: Iterable[str] = (),
    hidden: bool = False,
    **options: Any,
) -> Program:
    """A program that learns; `options` are those of Learning. `hidden`: blobs that rewrites hide are not kept."""
    given = net if isinstance(net, ShapedGraph) else shaped(net)
    one, memory = compile_net(given, dtype, keep and not hidden, without)
    if hidden:
        memory = plan(one, dtype, keep)
    weights = fill_weights(one, dtype, SEED, state=SGD().state)
    decay = local_decay(one.graph.params, L2(), weight_decay)
    return bind(
        one, memory, weights, SEED, Learning(SGD(momentum=momentum).update, decay, **options), poisoned(memory.arena)
    )


def feed(one: Program, iteration: int = 0, classes: int = 3) -> None:
    """New inputs (classes where the name says `label`), the clock, and a rate."""
    rng = np.random.default_rng(iteration)
    for blob, array in zip(one.graph.inputs, one.inputs, strict=True):
        label = one.graph.blobs[blob].name.startswith("label")
        array[...] = rng.integers(0, classes, array.shape) if label else rng.standard_normal(array.shape)
    one.clock[:] = (iteration, 0)
    one.loss[0] = 0.0
    one.rate[0] = 0.01


def gradients(one: Program, iteration: int = 0) -> dict[str, np.ndarray]:
    """Diffs of all learned params by name, after a forward and a backward pass; no param changes."""
    feed(one, iteration)
    one.run("clear", "backward")
    return {
        name: diff.copy() for name, diff in zip(one.weights.names, one.weights.diff, strict=True) if diff is not None
    }


def numeric(one: Program, direction: dict[str, np.ndarray], iteration: int = 0, step: float = 1e-5) -> float:
    """Slope of the loss when all params move along `direction`, by central differences of two steps."""

    def loss(move: float) -> float:
        for name, u in direction.items():
            one.weights.data[one.weights.index(name)][...] += move * u
        feed(one, iteration)
        result = one.forward()
        for name, u in direction.items():
            one.weights.data[one.weights.index(name)][...] -= move * u
        return result

    near, far = ((loss(h) - loss(-h)) / (2 * h) for h in (step, 2 * step))
    return (4 * near - far) / 3


def check_gradients(one: Program, rtol: float = 1e-6, iteration: int = 0) -> None:
    """The diffs of all params against the slope along a random direction."""
    found = gradients(one, iteration)
    rng = np.random.default_rng(99)
    direction = {name: rng.standard_normal(diff.shape) for name, diff in found.items()}
    expected = numeric(one, direction, iteration)
    actual = sum(float((found[name] * u).sum()) for name, u in direction.items())
    scale = sum(float(np.abs(found[name] * u).sum()) for name, u in direction.items())
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * max(scale, 1e-3))


def time_of(step: Step, nodes: int) -> float:
    """Time of a step in the plan; the losses are summed between forward and backward."""
    ends = {"prepare": -1, "clear": -1, "resume": -1, "loss": nodes - 0.5} | dict.fromkeys(SECTIONS[6:], 2 * nodes)
    if step.section in ends:
        return ends[step.section]
    return step.node if step.section == "forward" else 2 * nodes - 1 - step.node


def run_poisoned(one: Program) -> None:
    """Run one iteration; poison all dead bytes before every layer, and every piece before its first time."""
    before: float = -2
    for number, step in enumerate(one.table.steps):
        now = time_of(step, len(one.graph.nodes))
        assert now >= before, "the steps do not run in the plan's order"
        if now != before:
            dead = np.ones(one.arena.size, bool)
            for piece in one.plan.pieces.values():
                if piece.first < now <= piece.last:  # what begins now holds nothing yet
                    dead[piece.offset : piece.offset + piece.bytes] = False
                if now == piece.first == -1:
                    dead[piece.offset : piece.offset + piece.bytes] = False
            one.arena[dead] = POISON
        before = now
        one.table.run(number, number + 1)


def meet(piece: Piece, other: Piece) -> bool:
    """Whether there is a time at which both pieces are alive."""
    return piece.first <= other.last and other.first <= piece.last
