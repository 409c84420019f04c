"""The blobs of a net as Caffe's memory holds them: a data and a diff for each blob, whatever lies where in the program.

A program keeps every version of a blob that layers change in place, and a single diff for all readers of a blob. Caffe
has one array for all versions, overwritten by each, and a diff for each reader, the top of a Split. Where the two are
not the same, a blob has an array of its own here, which is copied into the program before a layer runs and out of it
after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netspec.api.blobs import Cell, Spare, UnknownNameError
from netspec.api.leftovers import after_backward, after_forward
from netspec.core.shape import Shape, count
from netspec.core.spelling import suggest
from netspec.engine.program import Program
from netspec.layers.dummy_data import DummyData
from netspec.net.as_caffe import CaffeLayer, CaffeNet, writes
from netspec.net.graph import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array

SHARING = frozenset({"Reshape", "Flatten", "Concat", "Slice"})
"""Layer types whose top has the diff of the bottom in Caffe, where their top is the bottom in another shape."""

Given = Mapping[int, "Array"]
"""Diffs by the numbers of blobs."""


class Memory:
    """The cells of all blobs of a program, by the numbers of `net`; `exact` says that they have Caffe's habits."""

    def __init__(self, program: Program, net: CaffeNet, exact: bool) -> None:
        self.net, self.exact = net, exact
        self.cells = [Cell(blob.name, number) for number, blob in enumerate(net.blobs)]
        self.positions = {layer.name: at for at, layer in enumerate(net.layers)}
        self.bind(program)

    def bind(self, program: Program) -> None:
        """Let the cells show the arrays of a program of this net, perhaps of other shapes than before."""
        self.program, self.resized = program, False
        self.nodes = {node.layer.name: node for node in program.graph.written}
        self.groups = self._groups()
        spares = {group: Spare() for group in self.groups}
        self._synced = program.iterations.iteration
        for number, (cell, blob) in enumerate(zip(self.cells, self.net.blobs, strict=True)):
            last = blob.versions[-1]
            cell.data, cell.diff, cell.spare = program.data[last], None, spares[self.groups[number]]
            cell.held = program.counts.get(program.graph.counted.get(last, -1))
            if self.fed(number) and len(blob.versions) > 1:
                first = program.data[blob.versions[0]]
                cell.data = first.copy() if self.exact else first
        self._show_views()
        self._show_diffs()
        self.constants: tuple[int, ...] = ()
        """Blobs that their layer fills once, when the net is set up, and a caller may write over."""
        if self.exact and program.plan.keep:
            self._show_params()
            self._fill()

    def fed(self, number: int) -> bool:
        """Whether a blob is an input, or the data of a layer that is filled from outside."""
        graph = self.program.graph
        return graph.nodes[graph.blobs[self.net.blobs[number].versions[0]].producer].layer.fed

    @property
    def inputs(self) -> dict[str, Cell]:
        """The blobs that a caller or a feed fills."""
        return {cell.name: cell for number, cell in enumerate(self.cells) if self._given(number)}

    def _given(self, number: int) -> bool:
        return self.fed(number) and not self.net.blobs[number].split

    @property
    def named(self) -> dict[str, Cell]:
        """All blobs by name; those that Caffe adds by itself are there where the net came from Caffe."""
        pairs = zip(self.cells, self.net.blobs, strict=True)
        return {cell.name: cell for cell, blob in pairs if self.exact or not blob.split}

    def find(self, name: str) -> Cell:
        """The blob of a name. Raises UnknownNameError."""
        try:
            return self.named[name]
        except KeyError:
            raise UnknownNameError(f"the net has no blob '{name}'", help=suggest(name, self.named)) from None

    def last(self, blob: int) -> Cell:
        """The cell whose last version is a blob of the graph."""
        blobs = enumerate(self.net.blobs)
        return self.cells[next(number for number, one in blobs if one.versions[-1] == blob and not one.split)]

    def shown(self, number: int) -> str:
        """The name under which a blob is shown: that of the blob itself for the top of a Split that is not shown."""
        blob = self.net.blobs[number]
        return blob.name if self.exact or not blob.split else self.last(blob.versions[0]).name

    def maker(self, cell: Cell) -> Node:
        """The layer that makes a blob first."""
        graph = self.program.graph
        return graph.nodes[graph.blobs[self.versions(cell)[0]].producer]

    def versions(self, cell: Cell) -> tuple[int, ...]:
        """The versions of a blob in the graph, oldest first."""
        return self.net.blobs[cell.number].versions

    def resize(self, name: str, shape: Shape) -> None:
        """Give an input new memory, with the values that the old one has in that many places."""
        import numpy as np

        cell, self.resized = self.inputs[name], True
        data, least = np.zeros(shape, cell.data.dtype), min(count(shape), cell.data.size)
        data.reshape(-1)[:least] = cell.data.reshape(-1)[:least]
        cell.data, cell.diff, cell.spare = data, None, Spare()

    def _groups(self) -> list[int]:
        """For each blob the first of those that share its diff in Caffe."""
        groups = list(range(len(self.cells)))
        for layer in self.net.layers:
            if layer.type in SHARING and layer.node is not None and not self.program.graph.runs(self.node(layer)):
                groups[layer.tops[0]] = groups[layer.bottoms[0]]
        return groups

    def _show_views(self) -> None:
        """Find the blobs that a later layer overwrites in Caffe, by working in place on a view of them."""
        self.overwritten: dict[int, int] = {}
        """For each such blob the last version of the view."""
        latest = {group: self.net.blobs[number].versions[-1] for number, group in enumerate(self.groups)}
        for number, blob in enumerate(self.net.blobs):
            last, own = latest[self.groups[number]], self.program.data[blob.versions[-1]]
            if self.exact and self.program.graph.storage[last] != self.program.graph.storage[blob.versions[-1]]:
                self.overwritten[number], self.cells[number].data = last, own.copy()

    def _show_diffs(self) -> None:
        """Show the diff of the program in the cells that alone have it, in all where the program has no backward."""
        if not self.program.plan.keep:
            for cell, blob in zip(self.cells, self.net.blobs, strict=True):
                cell.diff = self.program.diff[blob.versions[-1]]
            return
        copies: dict[int, list[int]] = {}
        for blob in self.program.graph.blobs:
            if blob.copy_of is not None:
                copies.setdefault(blob.copy_of, []).append(blob.index)
        members: dict[int, set[int]] = {}
        users: dict[int, set[int]] = {}
        for number, group in enumerate(self.groups):
            for storage in self._storages(number, copies):
                members.setdefault(group, set()).add(storage)
                users.setdefault(storage, set()).add(group)
        for number, group in enumerate(self.groups):
            alone = len(members.get(group, ())) == 1 and all(users[one] == {group} for one in members[group])
            if alone:
                self.cells[number].diff = self._lowest(number)

    def _storages(self, number: int, copies: Mapping[int, list[int]]) -> set[int]:
        """The pieces of the program that hold the diff of a blob, `copies` in other layouts included."""
        program, versions = self.program, self.net.blobs[number].versions
        every = (*versions, *(copy for version in versions for copy in copies.get(version, ())))
        return {program.plan.storage[blob] for blob in every if program.diff[blob] is not None}

    def _lowest(self, number: int) -> Array | None:
        """The diff of a blob's first version that has one."""
        found = (self.program.diff[version] for version in self.net.blobs[number].versions)
        return next((diff for diff in found if diff is not None), None)

    def _show_params(self) -> None:
        """Show the param of a Parameter layer in its top: in Caffe both are the same memory."""
        weights = self.program.weights
        for layer in self.net.layers:
            if layer.type == "Parameter":
                cell, param = self.cells[layer.tops[0]], self.node(layer).params[0]
                cell.data, diff = weights.data[param].reshape(cell.data.shape), weights.diff[param]
                cell.diff = diff if diff is None else diff.reshape(cell.data.shape)

    def _fill(self) -> None:
        """Fill the tops of DummyData that are constant."""
        for layer in self.net.layers:
            one = self.node(layer).layer if layer.node is not None else None
            for number, filler in zip(layer.tops, one.fillers if isinstance(one, DummyData) else (), strict=False):
                if filler.level is not None:
                    self.cells[number].data[...] = filler.level
                    self.constants += (number,)

    def node(self, layer: CaffeLayer) -> Node:
        """The node of a layer in the program."""
        return self.nodes[layer.name]

    def seed(self) -> None:
        """Write the loss weights, as Caffe does when it sets a net up."""
        for layer in self.net.layers if self.program.plan.keep else ():
            for top, weight in zip(layer.tops, layer.weights, strict=True):
                if weight:
                    self.cells[top].gradient()[...] = weight

    @property
    def ends(self) -> list[int]:
        """The blobs whose diff no layer writes: backward starts from them, and they are the caller's."""
        if not self.program.plan.keep:
            return []
        read = {bottom for layer in self.net.layers for bottom in layer.bottoms}
        return [number for number in range(len(self.cells)) if number not in read]

    def sync(self) -> None:
        """Show what a training's own iterations left in the program: diffs of Splits' tops are not among that."""
        if self._synced == self.program.iterations.iteration or not self.program.plan.keep:
            return
        self._synced = self.program.iterations.iteration
        ends = set(self.ends)
        self.take(0, len(self.net.layers) - 1)
        for number, cell in enumerate(self.cells):
            found = self._lowest(number)
            if cell.diff is not None and number not in ends and found is not cell.diff:
                cell.diff[...] = 0 if self.net.blobs[number].split or found is None else found

    # --- forward

    def put(self, first: int = 0, last: int | None = None) -> None:
        """Copy what layers from `first` on read of layers before them, or from outside, into the program."""
        program, graph = self.program, self.program.graph
        for layer in self.net.layers[first : None if last is None else last + 1]:
            if layer.node is None:
                continue
            for number, bottom in zip(layer.bottoms, self.node(layer).bottoms, strict=True):
                version = graph.original(bottom)
                maker = graph.nodes[graph.blobs[version].producer]
                before = maker.layer.fed or self._position(maker) < first
                if before and self.cells[number].data is not program.data[version]:
                    program.data[version][...] = self.cells[number].data

    def _position(self, node: Node) -> int:
        """The number of a layer."""
        return self.positions[node.layer.name]

    def take(self, first: int, last: int) -> None:
        """Copy what the layers from `first` to `last` made out of the program."""
        graph = self.program.graph
        for number, (cell, blob) in enumerate(zip(self.cells, self.net.blobs, strict=True)):
            fronted = len(blob.versions) > 1 or number in self.overwritten
            if not fronted or (self.fed(number) and not self.exact):
                continue
            for version in reversed(blob.versions):
                maker = graph.nodes[graph.blobs[version].producer]
                if not maker.layer.fed and first <= self._position(maker) <= last:
                    if cell.data is not self.program.data[version]:
                        cell.data[...] = self.program.data[version]
                    break
        for number, version in self.overwritten.items():
            maker = graph.nodes[graph.blobs[version].producer]
            if first <= self._position(maker) <= last:
                data = self.cells[number].data
                data[...] = self.program.data[version].reshape(data.shape)
        if self.exact:
            after_forward(self, first, last)

    def forward(self, first: int, last: int) -> None:
        """Run the layers from `first` to `last` alone; constants keep their data."""
        program, graph = self.program, self.program.graph
        mine = [self.node(layer).index for layer in self.net.layers[first : last + 1] if layer.node is not None]
        run = set(range(mine[0], mine[-1] + 1)) if mine else set()
        run |= {
            graph.blobs[b].producer for n in run for b in graph.nodes[n].bottoms if graph.blobs[b].copy_of is not None
        }
        kept = {self.net.blobs[number].versions[0]: self.cells[number].data.copy() for number in self.constants}
        program.prepare()
        program.loss[0] = 0.0
        for index in sorted(run):
            program.run_node("forward", index)
            for top in graph.nodes[index].tops:
                if top in kept:
                    program.data[top][...] = kept[top]
            program.run_node("loss", index)

    # --- backward

    def backward(self, first: int, last: int, given: Given | None = None) -> None:
        """Run backward from layer `first` down to layer `last`; `given` diffs are added to those of layers above."""
        due: dict[int, list[tuple[int, Array]]] = {}
        for number, values in (given or {}).items():
            due.setdefault(self.producer(number), []).append((number, values))
        for at in range(first, last - 1, -1):
            layer = self.net.layers[at]
            for number, values in due.get(at, ()):
                cell = self.cells[number]
                cell.items(cell.gradient())[...] += values
            if not layer.backward:
                continue
            if layer.type == "Split":
                self._gather(layer)
            elif not (self.exact and layer.type == "Parameter"):
                self._back(layer)

    def backward_from(self, given: Given, first: int, last: int) -> None:
        """Run backward from given diffs alone; the diffs that are the caller's stay as they are."""
        ends = {number: self.cells[number].gradient().copy() for number in self.ends}
        results = {self.groups[number] for number in range(len(self.cells)) if self._given(number)}
        params = {layer.tops[0] for layer in self.net.layers if layer.type == "Parameter"}
        for number, cell in enumerate(self.cells):
            if cell.diff is not None and number not in params:
                cell.diff[...] = 0
        try:
            self.backward(min(first, max(map(self.producer, given))), last, given)
        finally:
            for number, diff in ends.items():
                if self.groups[number] not in results:
                    self.cells[number].gradient()[...] = diff

    def producer(self, number: int) -> int:
        """The last layer that writes a blob."""
        return max(at for at, layer in enumerate(self.net.layers) if number in layer.tops)

    def _gather(self, layer: CaffeLayer) -> None:
        """Backward of a Split: the sum of the diffs of its tops, that of the last reader first."""
        if layer.propagate[0]:
            total = self.cells[layer.bottoms[0]].gradient()
            *others, last = (self.cells[top].gradient() for top in layer.tops)
            total[...] = last
            for diff in reversed(others):
                total += diff

    def _back(self, layer: CaffeLayer) -> None:
        """Backward of a layer, from the diffs of its tops to those of its bottoms and params."""
        program, node = self.program, self.node(layer)
        wanted = writes(node.layer, layer.propagate)
        if not program.graph.runs(node):
            (bottom,), (top,) = layer.bottoms, layer.tops
            if wanted[0] and self.groups[bottom] != self.groups[top]:
                diff = self.cells[bottom].gradient()
                diff[...] = self.cells[top].gradient().reshape(diff.shape)
            return
        for number, top in zip(layer.tops, node.tops, strict=True):
            diff, cell = program.diff[top], self.cells[number]
            if diff is None:
                continue
            if cell.gradient() is not diff:
                diff[...] = cell.gradient()
            if top in program.graph.counted:
                diff[len(program.items(top, diff)) :] = 0
        for diff in self._totals(node):
            diff[...] = 0
        program.run_node("backward", node.index)
        for number, flag, diff in zip(layer.bottoms, wanted, self._shares(node), strict=True):
            cell = self.cells[number]
            if flag and diff is not None and cell.gradient() is not diff:
                cell.gradient()[...] = diff
        if self.exact:
            after_backward(self, layer, node)

    def _totals(self, node: Node) -> Iterator[Array]:
        """The diffs in the program that the layer adds to, since another reader runs before it."""
        program = self.program
        for slot, bottom in enumerate(node.bottoms):
            flow, diff = program.flows.get(program.plan.storage[bottom]), program.diff[bottom]
            wanted = flow is not None and node.propagate[slot] and flow.writers[0] != (node.index, slot)
            if wanted and diff is not None:
                yield diff

    def _shares(self, node: Node) -> list[Array | None]:
        """What the layer gave to each of its bottoms; where it reads a blob twice, each time its own part."""
        program, found = self.program, []
        for slot, bottom in enumerate(node.bottoms):
            diff = program.diff[bottom] if node.propagate[slot] else None
            same = [other for other, one in enumerate(node.bottoms) if one == bottom and node.propagate[other]]
            if diff is not None and len(same) > 1:
                own = self._share(node, slot)
                others = [self._share(node, other) for other in same if other != slot]
                diff = own if own is not None else diff - sum(one for one in others if one is not None)
            found.append(diff)
        return found

    def _share(self, node: Node, slot: int) -> Array | None:
        """The memory into which a layer writes one of several gradients of a blob."""
        program, bottom = self.program, node.bottoms[slot]
        piece = program.plan.pieces.get(("share", node.index, slot))
        diff = program.diff[bottom]
        if piece is None or diff is None:
            return None
        flat = program.arena[piece.offset : piece.offset + diff.nbytes].view(piece.kind)
        if program.graph.blobs[bottom].layout == "NHWC" and diff.ndim == 4:
            n, c, h, w = diff.shape
            return flat.reshape(n, h, w, c).transpose(0, 3, 1, 2)
        return flat.reshape(diff.shape)
