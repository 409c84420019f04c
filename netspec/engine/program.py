"""A program: a flat table of steps, bound once to arrays; running it allocates nothing.

The table has sections: prepare (what is made of params that stand still), clear (param diffs), resume, forward, loss,
backward, suspend, watch (are the gradients finite, and what is their L2 norm), update, commit. Between resume and
suspend the stored params are those of the batches so far; commit makes the iteration count (decision 16). Every step is
a kernel, its arguments and its number of parts, and can be printed as text. A step may also be a Python function
(`Routine`): compiled steps run up to it, and go on behind it (decision 34).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from netspec.core.calls import Call, Routine
from netspec.core.metric import Metric
from netspec.core.visible import visible
from netspec.engine.flows import Flow
from netspec.engine.plan import MemoryPlan
from netspec.engine.weights import Weights
from netspec.net.graph import Graph
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array, Clock


SECTIONS = ("prepare", "clear", "resume", "forward", "loss", "backward", "suspend", "watch", "update", "commit")


@dataclass(frozen=True)
class Step:
    """One row of the table: its section and layer, its call, and the number of parts."""

    section: str
    layer: str
    node: int
    call: Call
    parts: int

    @property
    def arguments(self) -> str:
        """The arguments as text: arrays by kind and shape, scalars by value; of a tuple of empty arrays the name."""
        return ", ".join(map(_say, self.call.args))

    def __str__(self) -> str:
        return f"{self.section:<8} {visible(self.layer):<20} {self.call.kernel!s:<32} {self.parts:>3}  {self.arguments}"


def _say(value: Any) -> str:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        sizes = list(_sizes(value))
        if sizes and not any(sizes):
            return f"{type(value).__name__}()"
        fields = ", ".join(f"{name}={_say(one)}" for name, one in zip(value._fields, value, strict=True))
        return f"{type(value).__name__}({fields})"
    shape = getattr(value, "shape", None)
    return f"{value!r}" if shape is None else f"{value.dtype}[{','.join(map(str, shape))}]"


def _sizes(value: Any) -> Iterator[int]:
    """The sizes of all arrays in a tuple."""
    for one in value if isinstance(value, tuple) else ():
        yield from [one.size] if hasattr(one, "size") else _sizes(one)


class Table:
    """Steps and their compiled form: rows of (function, descriptor, parts).

    `threads` is the number of threads that it runs on, whichever thread calls it; that of the thread that makes it.
    """

    def __init__(self, steps: Iterable[Step], dtype: str) -> None:
        import numpy as np

        from netspec.codegen.compile import codes, prepare
        from netspec.codegen.driver import drive, threads_here

        self.steps, self._dtype = tuple(steps), dtype
        prepare(codes(step.call for step in self.steps), dtype)
        self._drive, self.threads = drive, threads_here()
        words: list[int] = []
        starts: list[int] = []
        self._alive: list[Array] = []
        rows = np.zeros((len(self.steps), 3), np.int64)
        for number, step in enumerate(self.steps):
            kernel = step.call.kernel
            described, alive = kernel.describe(step.call.args, step.parts, dtype)
            starts.append(len(words))
            words += described
            self._alive += alive
            rows[number, 0], rows[number, 2] = kernel.address(dtype), step.parts
        self._routines = [number for number, step in enumerate(self.steps) if isinstance(step.call.kernel, Routine)]
        self._starts = starts
        self._descriptors = np.array(words or [0], np.int64)
        rows[:, 1] = [self._descriptors.ctypes.data + 8 * start for start in starts]
        self._rows = rows

    def describes(self, number: int) -> bool:
        """Whether a step's compiled form agrees with the step.

        Addresses of kernels that a kernel calls may differ: each description makes new ones.
        """
        step, row, start = self.steps[number], self._rows[number], self._starts[number]
        kernel = step.call.kernel
        words, _ = kernel.describe(step.call.args, step.parts, self._dtype)
        bound = self._descriptors[start : start + len(words)].tolist()
        other = sum(one != word for one, word in zip(bound, words, strict=False))
        called = kernel.tables
        address = self._descriptors.ctypes.data + 8 * start
        return bool(other <= called and row.tolist() == [kernel.address(self._dtype), address, step.parts])

    def leave_out(self, number: int) -> None:
        """Run a compiled step no more."""
        self._rows[number, 2] = 0

    def run(self, first: int, last: int) -> None:
        """Run the steps from `first` to just before `last`."""
        at = first
        for number in self._routines:
            if first <= number < last:
                self._compiled(at, number)
                at = number + 1
                call = self.steps[number].call
                cast(Routine, call.kernel).function(*call.args)
        self._compiled(at, last)

    def _compiled(self, first: int, last: int) -> None:
        """Run compiled steps, in a single call for Python."""
        if first < last:
            self._drive(self._rows, first, last, self.threads)


@dataclass(frozen=True)
class Iterations:
    """The iterations that a program counted, and the last of their losses.

    The program's last step writes both, together with the weights for an interrupt: either all of them are new, or
    none. `counts` is (iterations, losses written into `recent`, 1 while the stored params are those of the batches so
    far, else 0); `recent` (R,) is a ring.
    """

    counts: Clock
    recent: Array

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return int(self.counts[0])

    @property
    def losses(self) -> tuple[float, ...]:
        """The last losses, oldest first."""
        last, size = int(self.counts[1]), len(self.recent)
        return tuple(float(self.recent[number % size]) for number in range(max(0, last - size), last))

    def set(self, iteration: int, losses: Sequence[float]) -> None:
        """Go on from an iteration with these losses."""
        kept = tuple(losses)[-len(self.recent) :]
        self.recent[: len(kept)] = kept
        self.counts[:] = iteration, len(kept), 0


class Measured(NamedTuple):
    """The metric of a layer, and the array in which forward leaves the statistics of a batch."""

    node: int
    metric: Metric
    space: Array


@dataclass
class Program:
    """An executable net. `data[b]` and `diff[b]` are blob b's arrays in N, C, H, W order.

    `diff[b]` is None where there is no gradient. `clock` holds (iteration, sub-iteration), `loss` the weighted sum of
    losses, `rate` the learning rate, `gate` whether the gradients are finite and the factor on them, `norm` their L2
    norm before clipping, and `share` (1,) the share of the new weights in their average; `squares` (P, parts) takes the
    sums of squares of the P gradients, of the params `squared`, whose layers take them as they write them. `fixed` is
    the memory of the plan's fixed pieces. `metrics` are those of its layers, in order; `iterations` counts those of a
    training, `counts[i]` (1,) holds the number of items that layer i keeps.
    """

    shaped: ShapedGraph
    plan: MemoryPlan
    weights: Weights
    data: tuple[Array, ...]
    diff: tuple[Array | None, ...]
    table: Table
    ranges: dict[str, tuple[int, int]]
    clock: Clock
    loss: Array
    rate: Array
    gate: Array
    norm: Array
    share: Array
    squares: Array
    iterations: Iterations
    flows: dict[int, Flow]
    arena: Array
    metrics: tuple[Measured, ...]
    fixed: Array
    counts: dict[int, Array] = field(default_factory=dict)
    nodes: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    squared: tuple[int, ...] = ()

    @property
    def graph(self) -> Graph:
        """The graph it was bound from."""
        return self.shaped.graph

    def items(self, blob: int, array: Array) -> Array:
        """The array of a blob, data or diff, without the items that a layer left out."""
        maker = self.graph.counted.get(blob)
        return array if maker is None else array[: self.counts[maker][0]]

    @cached_property
    def inputs(self) -> tuple[Array, ...]:
        """The arrays that a feed fills, the batch axis in front; that of a blob without a batch axis is 1 long."""
        import numpy as np

        pairs = ((self.data[i], self.shaped.batch_axes[i]) for i in self.graph.inputs)
        return tuple(data[None] if axis is None else np.moveaxis(data, axis, 0) for data, axis in pairs)

    def run(self, *sections: str) -> None:
        """Run sections that follow one another.

        Where an exception comes out of a Python step, or from between two of them, the stored params are again as
        before the iteration.
        """
        try:
            self.table.run(self.ranges[sections[0]][0], self.ranges[sections[-1]][1])
        except BaseException:
            if self.iterations.counts[2]:
                self.table.run(*self.ranges["suspend"])
            raise

    def run_node(self, section: str, node: int) -> None:
        """Run the steps of one layer in one section."""
        self.table.run(*self.nodes.get((section, node), (0, 0)))

    def fill_once(self) -> None:
        """Fill the constant tops of DummyData now and no more, so that they keep what a caller writes over them."""
        for number, step in enumerate(self.table.steps):
            node = self.graph.nodes[step.node] if step.node >= 0 else None
            if node is not None and node.layer.type == "DummyData" and not isinstance(step.call.kernel, Routine):
                self.table.run(number, number + 1)
                self.table.leave_out(number)

    def prepare(self) -> None:
        """Make what is made of the params alone: packed filters, and factors by channel taken into weights.

        Where params stand still, `infer` reads it. In other programs forward makes it anew each time.
        """
        self.run("prepare")

    def forward(self) -> float:
        """Run forward with the params as they are. Returns the weighted sum of losses."""
        self.prepare()
        return self.infer()

    def infer(self) -> float:
        """Run forward with the params as they were when it was prepared. Returns the weighted sum of losses."""
        self.loss[0] = 0.0
        self.run("forward", "loss")
        return float(self.loss[0])

    def text(self) -> str:
        """The table, one step a line."""
        return "\n".join(map(str, self.table.steps))
