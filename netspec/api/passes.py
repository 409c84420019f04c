"""Passes over the layers of a net, whole or partial, after which its blobs are what they are in Caffe.

Before a layer runs, what it reads is copied into the program where it lies elsewhere, and after it what it wrote out of
it. Backward goes layer by layer: each writes the diff that it alone gives to a bottom, and Splits add these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakMethod

from netspec.api.blobs import Cell
from netspec.api.leftovers import after_backward, after_forward, before_backward
from netspec.api.memory import Memory
from netspec.api.rereading import DERIVATIVES, GRADIENTS, IN_PLACE, KEPT, OVERWRITING, Reading
from netspec.api.shares import shares, totals
from netspec.net.as_caffe import CaffeLayer, writes
from netspec.net.graph import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array

Given = Mapping[int, "Array"]
"""Diffs by the numbers of blobs."""


class Passes(Memory):
    """The memory of a net, and what runs over it. `stepped`: it is a training's, whose params' diffs are updates."""

    stepped = False

    def sync(self) -> None:
        """Show what a training's own iterations left in the program; of Splits' tops once somebody asks for them."""
        if self._synced == self.program.iterations.iteration or not self.program.plan.keep:
            return
        self._synced = self.program.iterations.iteration
        self._copy_out(0, len(self.net.layers) - 1)
        self._show_gradients()
        if self.stepped:
            for cell in self._splits():
                cell.late = WeakMethod(self._split_diffs)

    def _splits(self) -> list[Cell]:
        """The tops of Splits."""
        return [cell for cell, blob in zip(self.cells, self.net.blobs, strict=True) if blob.split]

    def _split_diffs(self) -> None:
        """Compute the diffs of Splits' tops that the last iteration left out, with the weights that it began with.

        A param's diff holds what the update has subtracted from it.
        """
        weights = self.program.weights
        after = [array.copy() for array in weights.data]
        for array, step in zip(weights.data, weights.diff, strict=True):
            if step is not None:
                array += step
        try:
            self._whole = True
            self._apart()
        finally:
            for array, values in zip(weights.data, after, strict=True):
                array[...] = values

    def _show_gradients(self) -> None:
        """Show the diffs that the program has, but for those of Splits' tops, which are 0, and those of the caller.

        They are copied where a cell has an array of its own; where it has none yet, once somebody asks for it.
        """
        ends = set(self.ends)
        for number, cell in enumerate(self.cells):
            if number in ends:
                continue
            found = None if self.net.blobs[number].split else self._lowest(number)
            if cell.diff is None:
                cell.source = found
            elif found is not cell.diff:
                cell.diff[...] = 0 if found is None else found

    def hold(self, other: Passes) -> None:
        """Hold what the memory of a twin of the program holds."""
        self._whole = other._whole
        for number, (mine, theirs) in enumerate(zip(self.cells, other.cells, strict=True)):
            mine.data[...] = theirs.data
            if theirs.diff is not None:
                mine.gradient()[...] = theirs.diff
            elif theirs.source is not None:
                mine.source = self._lowest(number)

    def put(self, first: int = 0, last: int | None = None) -> None:
        """Copy what layers from `first` on read of layers before them, or from outside, into the program."""
        program, graph = self.program, self.program.graph
        for layer in self.net.layers[first : None if last is None else last + 1]:
            if layer.node is None:
                continue
            for number, bottom in zip(layer.bottoms, self.node(layer).bottoms, strict=True):
                version = graph.original(bottom)
                maker = graph.nodes[graph.blobs[version].producer]
                before = maker.layer.fed or number in self.constants or self._position(maker) < first
                if before and self.cells[number].data is not program.data[version]:
                    program.data[version][...] = self.cells[number].data

    def _position(self, node: Node) -> int:
        """The number of a layer."""
        return self.positions[node.layer.name]

    def take(self, first: int, last: int) -> None:
        """Show what the forward of the layers from `first` to `last` made."""
        self._forget_late()
        self._copy_out(first, last)
        if self.exact:
            after_forward(self.net.layers[first : last + 1], self.cells)

    def _copy_out(self, first: int, last: int) -> None:
        """Copy the data that the layers from `first` to `last` made out of the program."""
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
            if index in self.spoiled:
                self._spoil(graph.nodes[index])
            for other in self.handed.get(index, ()):
                program.data[other][...] = program.data[graph.nodes[index].tops[0]]
            for top in graph.nodes[index].tops:
                if top in kept:
                    program.data[top][...] = kept[top]
            program.run_node("loss", index)

    def _spoil(self, node: Node) -> None:
        """Leave in the top of a layer in place what Caffe leaves there."""
        data = self.program.data
        found = IN_PLACE[node.layer.type](node.layer, self.spoiled[node.index], [data[b] for b in node.bottoms])
        if found is not None:
            data[node.tops[0]][...] = found

    def backward_at_once(self, given: Given) -> None:
        """Run backward as a training does: the program itself adds up the diffs of a blob with several readers.

        It begins with the loss weights and the diffs of the caller's, or, where some are `given`, with these alone.
        """
        program, graph = self.program, self.program.graph
        ends = {n: self.cells[n].gradient().copy() for n in self.ends if not self.net.blobs[n].split}
        begins: dict[int, list[int]] = {}
        for number in given or ends:
            begins.setdefault(self._maker(number), []).append(number)
        start = max(begins) if given else len(graph.nodes) - 1
        for storage, flow in program.flows.items():
            diff = program.diff[storage]
            if diff is not None and (not flow.writers or flow.writers[0][0] > start):
                diff[...] = 0 if given else flow.seed
        try:
            for node in reversed(graph.nodes[: start + 1]):
                if not given:
                    program.run_node("seed", node.index)
                for number in begins.get(node.index, ()):
                    self._begin(number, given.get(number), ends.get(number))
                program.run_node("backward", node.index)
            self._show_gradients()
            self._whole = True
        finally:
            results = {self.groups[number] for number in given if self._given(self.groups[number])}
            for number, diff in ends.items():
                if self.groups[number] not in results:
                    self.cells[number].gradient()[...] = diff

    def _maker(self, number: int) -> int:
        """The layer of the graph that made the last version of a blob, whose memory may be that of another blob."""
        last = self.net.blobs[number].versions[-1]
        flow = self.program.flows.get(self.program.plan.storage[last])
        return flow.producer if flow is not None else self.program.graph.blobs[last].producer

    def _begin(self, number: int, given: Array | None, end: Array | None) -> None:
        """Write a diff where backward begins; a `given` one is added to what arrives from others."""
        last = self.net.blobs[number].versions[-1]
        whole = self.program.diff[last]
        if whole is None:
            return
        total = self.program.items(last, whole)
        if last in self.program.graph.counted:
            whole[len(total) :] = 0
        if given is not None:
            total += given
        elif end is not None:
            values, own = self.program.items(last, end).reshape(total.shape), self._weight(number)
            if self.program.flows[self.program.plan.storage[last]].seed == own and self._alone(number):
                total[...] = values
            else:  # other blobs in this memory have loss weights or diffs of their own
                total += values - own

    def _weight(self, number: int) -> float:
        """The loss weight of a blob."""
        tops = (
            (top, weight) for layer in self.net.layers for top, weight in zip(layer.tops, layer.weights, strict=True)
        )
        return next((weight for top, weight in tops if top == number), 0.0)

    def _alone(self, number: int) -> bool:
        """Whether no other blob in a blob's memory is one that backward starts from."""
        storage, blobs = self.program.plan.storage, self.net.blobs
        memory = [storage[blobs[end].versions[-1]] for end in self.ends if not blobs[end].split]
        return memory.count(storage[blobs[number].versions[-1]]) == 1

    def _forget_late(self) -> None:
        """Leave the diffs of Splits' tops that nobody has asked for as they are."""
        for cell in self._splits() if self.stepped else ():
            cell.late = None

    def _apart(self) -> None:
        """Let all cells hold their diffs before a pass layer by layer, which overwrites those of the program.

        The tops of Splits get what backward at once left out.
        """
        self._forget_late()
        for cell in self.cells:
            if cell.source is not None:
                cell.gradient()
        if not self._whole:
            return
        self._whole = False
        gradients = self.program.weights.flat_diff.copy()
        own = [cell for cell, blob in zip(self.cells, self.net.blobs, strict=True) if not blob.split]
        shown = [cell.gradient().copy() for cell in own]
        self.backward(len(self.net.layers) - 1, 0)
        self.program.weights.flat_diff[:] = gradients
        for cell, diff in zip(own, shown, strict=True):
            cell.gradient()[...] = diff

    def backward(self, first: int, last: int, given: Given | None = None) -> None:
        """Run backward from layer `first` down to layer `last`; `given` diffs are added to those of layers above."""
        self._apart()
        self.late: dict[int, Array] = {}
        """Where in the program the diff of a blob lies, until somebody else needs it in the cell."""
        due: dict[int, list[tuple[int, Array]]] = {}
        for number, values in (given or {}).items():
            due.setdefault(self.producer(number), []).append((number, values))
        for at in range(first, last - 1, -1):
            layer = self.net.layers[at]
            for number, values in due.get(at, ()):
                self._settle(number)
                cell = self.cells[number]
                cell.items(cell.gradient())[...] += values
            if not layer.backward:
                continue
            if layer.type == "Split":
                self._gather(layer)
            elif not (self.exact and layer.type == "Parameter"):
                self._back(layer)
        for number in [*self.late]:
            self._settle(number)

    def _settle(self, number: int) -> None:
        """Copy the diff of a blob into its cell, if it lies in the program."""
        diff = self.late.pop(number, None)
        if diff is not None:
            self._write(number, diff)

    def _diff(self, number: int) -> Array:
        """The diff of a blob, where it lies now."""
        return self.late[number] if number in self.late else self.cells[number].gradient()

    def _write(self, number: int, diff: Array) -> None:
        """Copy a diff into the cell of a blob."""
        mine = self.cells[number].gradient()
        if mine is not diff:
            mine[...] = diff.reshape(mine.shape)

    def backward_from(self, given: Given, first: int, last: int) -> None:
        """Run backward from given diffs alone; the diffs that are the caller's stay as they are."""
        ends = {number: self.cells[number].gradient().copy() for number in self.ends}
        results = {self.groups[number] for number in range(len(self.cells)) if self._given(number)}
        params = {layer.tops[0] for layer in self.net.layers if layer.type == "Parameter"}
        self._whole = False
        for number, cell in enumerate(self.cells):
            cell.source = None
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
            number = layer.bottoms[0]
            found = self.program.diff[self.net.blobs[number].versions[-1]] if number in self.chains else None
            total = self.cells[number].gradient() if found is None else found
            *others, last = (self.cells[top].gradient() for top in layer.tops)
            total[...] = last
            for diff in reversed(others):
                total += diff
            if found is not None:
                self.late[number] = found

    def _back(self, layer: CaffeLayer) -> None:
        """Backward of a layer, from the diffs of its tops to those of its bottoms and params."""
        program, node = self.program, self.node(layer)
        wanted = writes(node.layer, layer.propagate)
        if not program.graph.runs(node):
            (bottom,), (top,) = layer.bottoms, layer.tops
            if wanted[0] and self.groups[bottom] != self.groups[top]:
                self.late.pop(bottom, None)
                self._write(bottom, self._diff(top))
            return
        if self.exact and any(wanted[:1]) and self._reread(layer, node):
            return
        for number, top in zip(layer.tops, node.tops, strict=True):
            above = program.diff[top]
            if above is None:
                continue
            if self._diff(number) is not above:
                above[...] = self._diff(number)
            if top in program.graph.counted:
                above[len(program.items(top, above)) :] = 0
        for total in totals(program, node):
            total[...] = 0
        if self.exact:
            before_backward(program, self.cells, layer, node)
        program.run_node("backward", node.index)
        for number, flag, share in zip(layer.bottoms, wanted, shares(program, node), strict=True):
            if flag and share is not None and number in self.chains:
                self.late[number] = share
            elif flag and share is not None:
                self._write(number, share)
        if self.exact and layer.type == "Scale":
            self._settle(layer.tops[0])
            after_backward(program, self.cells, layer, node)

    def _reread(self, layer: CaffeLayer, node: Node) -> bool:
        """Backward of a layer as Caffe does it where what it reads is overwritten; whether it is."""
        if layer.type in GRADIENTS:
            return self._reread_all(layer, node)
        derivative = DERIVATIVES.get(layer.type)
        if derivative is None:
            return False
        (bottom,), (top,), program = layer.bottoms, layer.tops, self.program
        x, y, before = self.cells[bottom].data, self.cells[top].data, program.data[node.bottoms[0]]
        if y is program.data[node.tops[0]] and (x is before or layer.type in KEPT):
            return False
        rate = derivative(node.layer, x, y, before)
        values = rate * (rate if bottom == top and layer.type in OVERWRITING else self._diff(top))
        self.late.pop(bottom, None)
        self._write(bottom, values)
        return True

    def _reread_all(self, layer: CaffeLayer, node: Node) -> bool:
        """The same for layers that are not element by element."""
        (top,), program, wanted = layer.tops, self.program, writes(node.layer, layer.propagate)
        shared = layer.bottoms.index(top) if top in layer.bottoms else -1
        y, overwritten = self.cells[top].data, self.cells[top].data is not program.data[node.tops[0]]
        if not overwritten and (shared < 0 or layer.type in KEPT):
            return False
        below = [self.cells[number].data for number in layer.bottoms]
        before = [program.data[bottom] for bottom in node.bottoms]
        found = GRADIENTS[layer.type](node.layer, Reading(below, y, self._diff(top), before, wanted, shared))
        for number, diff, flag in zip(layer.bottoms, found or (), wanted, strict=found is not None):
            if flag:
                self.late.pop(number, None)
                self._write(number, diff)
        return found is not None
