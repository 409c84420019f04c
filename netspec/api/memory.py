"""The blobs of a net as Caffe's memory holds them: a data and a diff for each blob, whatever lies where in the program.

A program keeps every version of a blob that layers change in place, and a single diff for all readers of a blob. Caffe
has one array for all versions, overwritten by each, and a diff for each reader, the top of a Split. Where the two are
not the same, a blob has an array of its own here (`passes.py` copies between the two).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from netspec.api.blobs import Cell, Spare, UnknownNameError
from netspec.api.rereading import IN_PLACE
from netspec.core.shape import Shape, ShapeError, count
from netspec.core.spelling import suggest
from netspec.engine.program import Program
from netspec.layers.dummy_data import DummyData
from netspec.net.as_caffe import CaffeLayer, CaffeNet
from netspec.net.graph import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array

SHARING = frozenset({"Reshape", "Flatten", "Concat", "Slice"})
"""Layer types whose top has the diff of the bottom in Caffe, where their top is the bottom in another shape."""


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
        spares = {group: Spare(self.groups.count(group) > 1) for group in {*self.groups}}
        self._synced, self._whole = program.iterations.iteration, False
        for number, (cell, blob) in enumerate(zip(self.cells, self.net.blobs, strict=True)):
            last = blob.versions[-1]
            cell.data, cell.diff, cell.source = program.data[last], None, None
            cell.spare = spares[self.groups[number]]
            cell.held = program.counts.get(program.graph.counted.get(last, -1))
            if self.fed(number) and len(blob.versions) > 1:
                first = program.data[blob.versions[0]]
                if self.exact and any(program.data[version].shape != first.shape for version in blob.versions):
                    raise ShapeError(
                        f"layers work in place on '{blob.name}', which is filled from outside, and change its shape",
                        help="name another `top`",
                    )
                cell.data = first.copy() if self.exact else first
        self._show_views()
        self._show_diffs()
        self.spoiled = self._spoiled()
        """The layers of the graph that overwrite a bottom before they have read it, with the number of that bottom."""
        self.handed = self._handed()
        """The layers that work in place on a top of a Split of the prototxt, with the blobs in the same memory."""
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

    def _spoiled(self) -> dict[int, int]:
        layers = self.net.layers if self.exact and self.program.plan.keep else ()
        own = (layer for layer in layers if layer.type in IN_PLACE and layer.tops[0] in layer.bottoms)
        return {self.node(layer).index: layer.bottoms.index(layer.tops[0]) for layer in own}

    def _handed(self) -> dict[int, list[int]]:
        graph, found = self.program.graph, {}
        layers = self.net.layers if self.exact and self.program.plan.keep else ()
        for layer in (one for one in layers if one.type == "Split" and one.node is not None):
            below = self.node(layer).bottoms[0]
            every = {below, *(version for top in layer.tops for version in self.net.blobs[top].versions)}
            for later in (version for top in layer.tops for version in self.net.blobs[top].versions[1:]):
                found[graph.blobs[later].producer] = [one for one in every if one != later]
        return found

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
        self.chains: set[int] = set()
        """Blobs of several versions, or with a Split, of which no other blob has a version."""
        if not self.program.plan.keep:
            for cell, blob in zip(self.cells, self.net.blobs, strict=True):
                cell.diff = self.program.diff[blob.versions[-1]]
            return
        copies: dict[int, list[int]] = {}
        for one in self.program.graph.blobs:
            if one.copy_of is not None:
                copies.setdefault(one.copy_of, []).append(one.index)
        root = list(range(len(self.cells)))
        for layer in self.net.layers:
            for top in layer.tops if layer.node is None else ():
                root[top] = layer.bottoms[0]
        members: dict[int, set[int]] = {}
        users: dict[int, set[int]] = {}
        roots: dict[int, set[int]] = {}
        for number, group in enumerate(self.groups):
            for storage in self._storages(number, copies):
                members.setdefault(group, set()).add(storage)
                users.setdefault(storage, set()).add(group)
                roots.setdefault(storage, set()).add(root[number])
        for number, group in enumerate(self.groups):
            alone = len(members.get(group, ())) == 1 and all(users[one] == {group} for one in members[group])
            if alone:
                self.cells[number].diff = self._lowest(number)
            mine = members.get(group, set())
            if not alone and root[number] == number and all(roots[one] == {number} for one in mine):
                self.chains.add(number)

    def _storages(self, number: int, copies: Mapping[int, list[int]]) -> set[int]:
        """The pieces of the program that hold the diff of a blob, `copies` in other layouts included."""
        program, versions = self.program, self.net.blobs[number].versions
        every = (*versions, *(copy for version in versions for copy in copies.get(version, ())))
        return {program.plan.storage[blob] for blob in every if program.diff[blob] is not None}

    def _lowest(self, number: int) -> Array | None:
        """The diff of a blob's first version that has one; in Caffe's nets else that of a view, which has the same."""
        own = self._own(number)
        return own if own is not None or not self.exact else self._of_view(number)

    def _own(self, number: int) -> Array | None:
        found = (self.program.diff[version] for version in self.net.blobs[number].versions)
        return next((diff for diff in found if diff is not None), None)

    def _of_view(self, number: int) -> Array | None:
        """The diff of another blob with that of this one in Caffe, in its shape: the layer between passes none down."""
        import numpy as np

        others = (other for other, group in enumerate(self.groups) if group == self.groups[number] and other != number)
        diff = next((diff for diff in map(self._own, others) if diff is not None), None)
        view = None if diff is None else diff.reshape(self.cells[number].data.shape)
        return view if view is not None and np.may_share_memory(view, diff) else None

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
