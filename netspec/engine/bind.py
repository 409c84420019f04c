"""ShapedGraph and MemoryPlan to Program: pieces of memory become arrays, layers become steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from netspec.codegen.geometry import MOST_PARTS
from netspec.core import rng
from netspec.core.calls import Call, Run
from netspec.core.shape import Shape, count
from netspec.core.verify import verifying
from netspec.engine.flows import Flow, flows
from netspec.engine.plan import FOLDED, Direction, MemoryPlan, Piece, plan, workspace
from netspec.engine.program import SECTIONS, Iterations, Measured, Program, Step, Table
from netspec.engine.rewrite import HIDING, rewrite
from netspec.engine.serving import asked
from netspec.engine.updating import Learning, Signals, Updating
from netspec.engine.weights import Weights, zeros
from netspec.layers.batch_norm import KNOWN, BatchNorm
from netspec.lowering.folding import fold
from netspec.lowering.layout import memory_order
from netspec.net.graph import Node
from netspec.net.labels import label_readers
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array


Keep = bool | Collection[str | int]
"""The blobs that stay readable: all, the results alone, or the inputs, the results and those of these names.

A number is that of a blob in the graph, of which there may be later versions.
"""


def compile_net(
    shaped: ShapedGraph, dtype: str, keep: Keep = False, without: Iterable[str] = ()
) -> tuple[ShapedGraph, MemoryPlan]:
    """The passes between shapes and binding: rewrites, then the memory plan.

    Rewrites named in `without` are left out. `keep` keeps every blob readable, so it leaves out those in HIDING too;
    names keep the last version of these blobs, and the inputs.
    """
    every = keep is True
    if not isinstance(keep, bool):
        shaped = marked(shaped, keep)
    shaped = rewrite(shaped, HIDING.union(without) if every else frozenset(without))
    memory = plan(shaped, dtype, every)
    if verifying():
        from netspec.engine.verify_plan import verify_plan

        verify_plan(shaped, memory)
    return shaped, memory


def marked(shaped: ShapedGraph, chosen: Collection[str | int]) -> ShapedGraph:
    """The net with its inputs, its labels, and the chosen blobs, of names the last versions, marked to be kept."""
    graph = shaped.graph
    labels = (reader.blob for reader in label_readers(shaped))
    known: set[str | int] = {*graph.named, *range(len(graph.blobs))}
    numbers = (graph.named[one].index if isinstance(one, str) else one for one in chosen if one in known)
    kept = {*graph.inputs, *labels, *numbers}
    blobs = tuple(replace(blob, kept=blob.index in kept) for blob in graph.blobs)
    return replace(shaped, graph=replace(graph, blobs=blobs))


def bind(
    shaped: ShapedGraph,
    plan: MemoryPlan,
    weights: Weights,
    seed: int,
    learning: Learning | None = None,
    arena: Array | None = None,
) -> Program:
    """A program of a plan, in a new arena, or in `arena` where that is large enough. Raises OutOfMemoryError."""
    program = _Binder(shaped, plan, weights, seed, arena).bind(learning)
    if verifying():
        from netspec.engine.verify_program import verify_program

        verify_program(program)
    return program


class _Binder:
    """Turns pieces into arrays and layers into steps."""

    def __init__(self, shaped: ShapedGraph, plan: MemoryPlan, weights: Weights, seed: int, arena: Array | None) -> None:
        import numpy as np

        self.shaped, self.plan, self.weights, self.seed = shaped, plan, weights, seed
        self.graph = shaped.graph
        self.arena = arena if arena is not None and arena.size >= plan.arena else zeros(plan.arena)
        self.fixed = zeros(plan.fixed_bytes)
        self.flows = flows(self.graph)
        self.adding = {writer for flow in self.flows.values() for writer in flow.adding}
        self.signals = Signals.of(plan.dtype)
        self.pending = np.zeros_like(weights.flat_stored)
        self.objects: list[dict[str, Any]] = [{} for _ in self.graph.nodes]
        self.data = tuple(self.values(blob.index) for blob in self.graph.blobs)
        self.diff = tuple(self.gradient(blob.index) if blob.needs_diff else None for blob in self.graph.blobs)
        """`data` and `diff` hold arrays with axes in memory order."""

    def array(self, piece: Piece) -> Array:
        import numpy as np

        size = count(piece.shape) * np.dtype(piece.kind).itemsize
        memory = self.fixed if piece.key[0] == "fixed" else self.arena
        return memory[piece.offset : piece.offset + size].view(piece.kind).reshape(piece.shape)

    def values(self, blob: int) -> Array:
        """The data of a blob, axes in memory order; of an unwritten blob what its readers look at."""
        storage = self.plan.storage[blob]
        norm = self.graph.unwritten.get(storage)
        return self.of("data", storage, blob) if norm is None else self.values(norm.bottoms[0])

    def now(self, blob: int, direction: Direction) -> Array:
        """The data of a blob as a layer reads it in a direction; backward has memory of its own for what is remade."""
        again = ("again", self.plan.storage[blob])
        if direction == "forward" or again not in self.plan.pieces:
            return self.data[blob]
        return self.array(self.plan.pieces[again]).reshape(self.lying(blob))

    def gradient(self, blob: int) -> Array:
        """The diff of a blob, axes in memory order."""
        return self.of("diff", self.graph.diff_storage[blob], blob)

    def of(self, what: str, storage: int, blob: int) -> Array:
        """The data or diff of a blob that lies in some storage, axes in memory order."""
        inside = self.graph.blobs[storage].inside
        if inside is None:
            return self.array(self.plan.pieces[what, storage]).reshape(self.lying(blob))
        whole, first = inside
        return self.of(what, whole, whole)[..., first : first + self.shaped.blobs[blob][1]]

    def lying(self, blob: int) -> Shape:
        """The shape of a blob, axes in memory order."""
        shape = self.shaped.blobs[blob]
        return tuple(shape[axis] for axis in memory_order(len(shape), self.graph.blobs[blob].layout))

    def seen(self, blob: int, array: Array) -> Array:
        """A blob's array with axes N, C, H, W."""
        return array.transpose(0, 3, 1, 2) if self.graph.blobs[blob].layout == "NHWC" else array

    def bind(self, learning: Learning | None) -> Program:
        import numpy as np

        self.storing = learning is None or learning.iter_size == 1
        self.preconditioner = learning.preconditioner if learning is not None else None
        squared = sorted(self.squared()) if learning is not None else []
        self.taken = np.zeros((len(squared), MOST_PARTS))
        self.squares = dict(zip(squared, self.taken, strict=True))
        sections: dict[str, list[Step]] = {name: [] for name in SECTIONS}
        for node in self.graph.nodes:
            for step in self.forward(node):
                sections[step.section].append(step)
        sections["loss"] = list(self.losses())
        sections["backward"] = [step for node in reversed(self.graph.nodes) for step in self.backward(node)]
        iterations = Iterations(np.zeros(3, np.int64), np.zeros(learning.remembered if learning else 1))
        if learning is not None and self.weights.flat_diff.size:
            sections["clear"] = [self.step("clear", None, self.fill(array, 0.0)) for array in self.cleared()]
            settings = (self.weights, self.seed, learning, self.signals)
            updating = Updating(self.graph, *settings, self.taken, self.squares, self.pending)
            sections |= updating.sections(iterations)
        steps: list[Step] = []
        ranges: dict[str, tuple[int, int]] = {}
        nodes: dict[tuple[str, int], tuple[int, int]] = {}
        for name in SECTIONS:
            ranges[name] = (len(steps), len(steps) + len(sections[name]))
            for step in sections[name]:
                first, _ = nodes.get((step.section, step.node), (len(steps), 0))
                nodes[step.section, step.node] = (first, len(steps) + 1)
                steps.append(step)
        table = Table(steps, self.plan.dtype)
        data = tuple(self.seen(blob, array) for blob, array in enumerate(self.data))
        diff = tuple(array if array is None else self.seen(blob, array) for blob, array in enumerate(self.diff))
        arrays = (*self.signals, self.taken, iterations)
        counts = {
            node.index: self.array(self.plan.pieces["work", node.index, "count"])
            for node in self.graph.nodes
            if node.layer.counts
        }
        rest = (self.flows, self.arena, tuple(self.metrics()), self.fixed, counts, nodes, tuple(squared))
        return Program(self.shaped, self.plan, self.weights, data, diff, table, ranges, *arrays, *rest)

    def metrics(self) -> Iterator[Measured]:
        """The metrics of the layers that run."""
        for node in filter(self.graph.runs, self.graph.nodes):
            metric = node.layer.metric(self.shaped.bottom_shapes(node))
            if metric is not None:
                piece = self.plan.pieces["work", node.index, metric.space]
                yield Measured(node.index, metric, self.array(piece))

    def step(self, section: str, node: Node | None, call: Call) -> Step:
        parts = call.parts if call.parts is not None else call.kernel.parts(call.args)
        return Step(section, node.layer.name if node else "", node.index if node else -1, call, parts)

    @staticmethod
    def fill(array: Array, value: float) -> Call:
        from netspec.kernels import copy

        return Call(copy.fill, array, value)

    def cleared(self) -> Iterator[Array]:
        """The gradients that layers add to, as arrays (M,) that each span neighbours in memory."""
        flat, stored = self.weights.flat_diff, {p for node in self.graph.nodes for p in self.stored(node)}
        learned = [(index, diff) for index, diff in enumerate(self.weights.diff) if diff is not None]
        starts = [(diff.ctypes.data - flat.ctypes.data) // flat.itemsize for _, diff in learned]
        spans = zip(starts, [*starts[1:], flat.size], [index in stored for index, _ in learned], strict=True)
        for skipped, group in groupby(spans, key=lambda span: span[2]):
            inside = list(group)
            if not skipped:
                yield flat[inside[0][0] : inside[-1][1]]

    def stored(self, node: Node) -> set[int]:
        """The params whose gradients a layer overwrites."""
        return {param for param, yes in zip(node.params, node.stores, strict=False) if yes and self.storing}

    def squared(self) -> Iterator[int]:
        """The params whose layers sum the squares of the gradients that they write."""
        for node in self.graph.nodes:
            stored = self.stored(node)
            for slot in node.layer.squares(self.shaped.bottom_shapes(node)):
                if slot < len(node.params) and node.params[slot] in stored:
                    yield node.params[slot]

    def run(
        self, node: Node, direction: Direction, bottom_diff: tuple[Array | None, ...], bottom_add: tuple[bool, ...] = ()
    ) -> Run:
        spaces = {}
        if self.graph.runs(node):
            for name in node.layer.workspaces(self.shaped.bottom_shapes(node), node.backward):
                piece = workspace(self.plan, node.index, name, direction)
                if piece is not None:
                    spaces[name] = self.array(piece)
        learns = [self.graph.params[p].learned and node.backward for p in node.params]
        return Run(
            phase=self.graph.phase,
            bottom=tuple(self.now(b, direction) for b in node.bottoms),
            top=tuple(self.now(t, direction) for t in node.tops),
            bottom_diff=bottom_diff,
            top_diff=tuple(d for d in (self.diff[t] for t in node.tops) if d is not None),
            param=self.folded(node) or self.params(node),
            param_diff=tuple(
                self.diff_view(p, slot, node) if learns[slot] else None for slot, p in enumerate(node.params)
            ),
            clock=self.signals.clock,
            seed=rng.key(self.seed, "layer", node.layer.name) & (2**63 - 1),
            workspace=spaces,
            layout=node.layout,
            bottom_shapes=self.shaped.bottom_shapes(node),
            top_shapes=self.shaped.top_shapes(node),
            bottom_add=bottom_add or (False,) * len(node.bottoms),
            param_add=tuple(param not in self.stored(node) for param in node.params),
            param_squares=tuple(map(self.squares.get, node.params)),
            placed=tuple(self.graph.house(b) != self.plan.storage[b] for b in node.bottoms),
            along={word: self.run(self.graph.nodes[index], direction, (None,)) for word, index in node.along.items()},
            objects=self.objects[node.index],
            state=self.states(node),
            fused={word: fused.pieces for word, fused in node.fused.items()},
            known=tuple(self.known(node)) if direction == "forward" else (),
            every=node.every,
            **(asked(self.graph, node, direction, self.alone) if self.graph.runs(node) else {}),
        )

    def known(self, node: Node) -> Iterator[Array]:
        """Mean and variance of a BatchNorm's first channels, where an earlier one leaves them."""
        if node.known is not None:
            yield from (self.array(self.plan.pieces["work", node.known, name]) for name in KNOWN)

    def alone(self, node: Node, direction: Direction) -> Run:
        """The run of a layer without gradients of its bottoms."""
        return self.run(node, direction, (None,) * len(node.bottoms))

    def states(self, node: Node) -> dict[str, Array]:
        """What a layer's last batch left, by name."""
        return {key.param: array for key, array in self.weights.states.items() if key.layer == node.layer.name}

    def params(self, node: Node) -> tuple[Array, ...]:
        shapes = node.layer.param_shapes(self.shaped.bottom_shapes(node))
        return tuple(self.weights.data[param].reshape(shape) for param, shape in zip(node.params, shapes, strict=True))

    def folded(self, node: Node) -> tuple[Array, ...]:
        """The weight and the bias that take in the factors by channel behind a layer; empty where none do."""
        keys = (("fixed", node.index, name) for name in FOLDED) if node.folds else ()
        return tuple(self.array(self.plan.fixed[key]) for key in keys)

    def fold(self, node: Node) -> Call:
        """The Call that writes `folded`."""
        guests = {word: self.graph.nodes[index] for word, index in node.along.items()}
        norm = guests.get("BatchNorm")
        params = {word: self.params(guest) for word, guest in guests.items()}
        layer = norm.layer if norm is not None and isinstance(norm.layer, BatchNorm) else BatchNorm(name="none")
        behind = (params.get("BatchNorm", ()), layer.eps, layer.first_variance, params.get("Scale", ()))
        return fold(self.params(node), *behind, self.folded(node))

    def diff_view(self, param: int, slot: int, node: Node) -> Array | None:
        diff = self.weights.diff[param]
        return None if diff is None else diff.reshape(node.layer.param_shapes(self.shaped.bottom_shapes(node))[slot])

    def forward(self, node: Node) -> Iterator[Step]:
        """Steps of a layer: those in section 'prepare' touch nothing but params and what is made of them."""
        import numpy as np

        if not self.graph.runs(node):
            return
        if node.folds:
            yield self.step("prepare", node, self.fold(node))
        pieces = [self.array(piece) for piece in self.plan.fixed.values() if piece.key[1] == node.index]
        others = [self.arena, self.signals.clock, self.signals.loss, *self.states(node).values()]
        for call in node.layer.forward(self.alone(node, "forward")):
            touched = [one for one in call.values() if isinstance(one, np.ndarray) and one.size]
            mine = [one for one in pieces if any(np.may_share_memory(one, other) for other in touched)]
            early = mine and not any(np.may_share_memory(one, other) for one in touched for other in others)
            if not early:  # it may change these pieces, with what it reads in blobs: who touches them is late too
                others += mine
            yield self.step("prepare" if early else "forward", node, call)

    def losses(self) -> Iterator[Step]:
        from netspec.kernels import loss

        for blob in (self.graph.blobs[b] for b in self.graph.losses):
            node = self.graph.nodes[blob.producer]
            data, weight, number = self.data[blob.index], blob.loss_weight, self.held(blob.index)
            if number is None:
                call = Call(loss.add_weighted, data, weight, self.signals.loss, parts=1)
            else:
                call = Call(loss.add_weighted_items, data, len(data), number, weight, self.signals.loss, parts=1)
            yield self.step("loss", node, call)

    def held(self, blob: int) -> Array | None:
        """The number of items that a blob holds, where only the run of the net says that."""
        maker = self.graph.counted.get(blob)
        return None if maker is None else self.array(self.plan.pieces["work", maker, "count"])

    def backward(self, node: Node) -> Iterator[Step]:
        """Steps that seed the tops' diffs (section 'seed'), the layer's own, and sums for blobs of several readers."""
        for top in node.tops:
            flow = self.flows.get(self.plan.storage[top])
            if flow is not None and flow.producer == node.index and self.plan.storage[top] == top:
                yield from self.seeds(node, flow)
        if not node.backward or not self.graph.runs(node):
            return
        for one in self.graph.remakes(node):
            for call in one.layer.forward(self.alone(one, "backward")):
                yield self.step("backward", node, call)
        wanted: list[Array | None] = []
        sums: list[tuple[Array, Array]] = []
        for slot, bottom in enumerate(node.bottoms):
            diff = self.diff[bottom] if node.propagate[slot] and "pulled" not in node.fused else None
            share = self.plan.pieces.get(("share", node.index, slot))
            if diff is not None and share is not None:
                own = self.array(share).reshape(diff.shape)
                sums.append((own, diff))
                diff = own
            wanted.append(diff)
        adds = tuple((node.index, slot) in self.adding for slot in range(len(node.bottoms)))
        run = self.run(node, "backward", tuple(wanted), adds)
        observed = self.preconditioner.observe(node, run) if self.preconditioner is not None else ()
        for call in (*node.layer.backward(run), *observed):
            yield self.step("backward", node, call)
        for own, total in sums:
            yield self.step("backward", node, self.accumulate(own, total))

    def seeds(self, node: Node, flow: Flow) -> Iterator[Step]:
        diff = self.array(self.plan.pieces["diff", self.graph.diff_storage[flow.storage]])
        if not flow.writers:
            yield self.step("seed", node, self.seeding(diff, flow))
        elif flow.seed:
            own = self.array(self.plan.pieces["share", "loss", flow.storage])
            yield self.step("seed", node, self.seeding(own, flow))
            yield self.step("seed", node, self.accumulate(own, diff))

    def seeding(self, diff: Array, flow: Flow) -> Call:
        """The loss weight of every value; 0 behind the items that there are."""
        from netspec.kernels import copy

        number = self.held(flow.storage)
        if number is None:
            return self.fill(diff, flow.seed)
        items = self.shaped.blobs[flow.storage][0]
        return Call(copy.fill_items, diff, items, number, flow.seed)

    @staticmethod
    def accumulate(own: Array, total: Array) -> Call:
        from netspec.kernels import copy

        return Call(copy.accumulate, own, total)
