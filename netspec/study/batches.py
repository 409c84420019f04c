"""One batch of a net that ran with every blob kept, as lines: what each layer computed, and each gradient.

The values are those of the kernels. A layer's arithmetic is shown where it comes to that value; a layer that draws
random numbers, or does not explain itself, has the value alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, nan
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.worked import LayerArrays, Term, Worked, indices, total
from netspec.engine.conversion import Conversion
from netspec.net.graph import Graph, GraphBlob, Node
from netspec.study.traced import Batch, Group, Line

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.engine.program import Program


class Taken(NamedTuple):
    """Copies of all that a batch leaves: data and diffs of the blobs, the gradients of the params, by number."""

    data: tuple[Array, ...]
    diff: tuple[Array | None, ...]
    gradient: tuple[Array | None, ...]

    @classmethod
    def of(cls, program: Program) -> Taken:
        """What lies in a program now."""
        gradients = tuple(None if diff is None else diff.copy() for diff in program.weights.diff)
        diffs = tuple(None if diff is None else diff.copy() for diff in program.diff)
        return cls(tuple(data.copy() for data in program.data), diffs, gradients)


Part = tuple[str, Mapping[tuple[int, ...], Worked]]
"""A layer's name, and its part of the gradient of a blob or param by index; empty where it does not explain itself."""


@dataclass
class Reader:
    """Explains one batch.

    `params` are the values before the iteration. `parts` gathers each layer's part of the gradient of each param, for
    the update. `whole` says whether the batch is the only one of its iteration. `apart` are the gradients of blobs
    whose memory holds their sum with others, added up from the arithmetic; None where some of it is missing.
    """

    graph: Graph
    taken: Taken
    params: Sequence[Array]
    whole: bool
    parts: dict[int, list[Part]] = field(default_factory=dict)
    apart: dict[int, Array | None] = field(default_factory=dict)

    def batch(self) -> Batch:
        """The lines of the batch."""
        nodes = [node for node in self.graph.nodes if not isinstance(node.layer, Conversion)]
        forward = [group for node in nodes if (group := self._forward(node)) is not None]
        loss = tuple(self._loss())
        forward += [Group("the loss that is made small", loss)] if loss else []
        return Batch(tuple(forward), tuple(self._backward([node for node in reversed(nodes) if node.backward])))

    def _forward(self, node: Node) -> Group | None:
        """What a layer computes."""
        layer, arrays, lines = node.layer, self._arrays(node), []
        for slot, top in enumerate(node.tops):
            name, data = self._label(top), self.taken.data[top]
            for index in indices(data.shape):
                steps = [*layer.worked_top(arrays, slot, index)]
                lines += [Line(f"{name} {step.what}", step.at, step.words, step.value) for step in steps[:-1]]
                lines.append(_line(name, index, steps[-1] if steps else None, float(data[index])))
        below = " and ".join(self._label(blob) for blob in node.bottoms)
        title = f"{layer.name}: {layer.type}" + (f" of {below}" if below else "")
        return Group(title, tuple(dict.fromkeys(lines))) if lines else None

    def _loss(self) -> Iterator[Line]:
        """The sum of all losses, where it is not just one of them."""
        losses = [(blob.loss_weight, float(self.taken.data[blob.index].sum())) for blob in self._losses()]
        if len(losses) > 1 or any(weight != 1 for weight, _ in losses):
            terms = [Term(value) if weight == 1 else Term(weight) * Term(value) for weight, value in losses]
            yield _line("total loss", (), total(terms).at("y", ()), sum(weight * value for weight, value in losses))

    def _losses(self) -> list[GraphBlob]:
        return [blob for blob in self.graph.blobs if blob.loss_weight and blob.copy_of is None]

    def _backward(self, nodes: Sequence[Node]) -> Iterator[Group]:
        """Each layer's gradients; where several read a blob, their sum behind the last of them."""
        waiting, parts = self._readers(nodes), dict[int, list[Part]]()
        self.apart = dict.fromkeys(self._summed(nodes))
        for loss in self._losses():
            parts[loss.index] = [("its weight in the loss", _constant(self.taken.data[loss.index], loss.loss_weight))]
            waiting.setdefault(loss.index, 0)
        for blob, number in waiting.items():
            if not number:
                yield self._sum(blob, parts[blob])
        for node in nodes:
            found: dict[tuple[str, int], dict[tuple[int, ...], Worked]] = {}
            known = all(self.apart.get(top, ()) is not None for top in node.tops)
            for step in node.layer.worked_diffs(self._arrays(node)) if known else ():
                found.setdefault((step.what, step.slot), {})[step.at] = step
            lines: list[Line] = []
            for slot, bottom in self._wanted(node):
                blob, part = self._root(bottom), found.get(("dx", slot), {})
                parts.setdefault(blob, []).append((node.layer.name, part))
                waiting[blob] -= 1
                lines += self._diff(blob, slot, part, node, alone=len(parts[blob]) == 1 and not waiting[blob])
            for slot, param in enumerate(node.params):
                if (gradient := self.taken.gradient[param]) is not None:
                    part = found.get(("dw", slot), {})
                    self.parts.setdefault(param, []).append((node.layer.name, part))
                    one = self.graph.params[param]
                    name = f"d {one.name}" + (f" by {node.layer.name}" if len(one.users) > 1 else "")
                    lines += _lines(name, gradient, part, self.whole and len(one.users) == 1)
            if lines:
                yield Group(f"{node.layer.name}: {node.layer.type}", tuple(lines))
            for blob in dict.fromkeys(self._root(bottom) for _, bottom in self._wanted(node)):
                if not waiting[blob] and blob in self.apart:
                    self.apart[blob] = _added(self.taken.data[blob], parts[blob])
                if not waiting[blob] and len(parts[blob]) > 1:
                    yield self._sum(blob, parts[blob])

    def _diff(
        self, blob: int, slot: int, part: Mapping[tuple[int, ...], Worked], node: Node, alone: bool
    ) -> Iterable[Line]:
        """A layer's part of the gradient of a blob; all of it, where it is `alone`."""
        diff, name = self.taken.diff[blob], f"d {self._label(blob)}"
        twice = node.bottoms.count(node.bottoms[slot]) > 1
        name = name if alone else f"{name} by {node.layer.name}" + (f" ({slot + 1})" if twice else "")
        return () if diff is None else _lines(name, diff, part, alone and blob not in self.apart)

    def _sum(self, blob: int, parts: Sequence[Part]) -> Group:
        """The gradient of a blob from all that reads it."""
        diff = self.apart.get(blob, self.taken.diff[blob])
        name, data, lines = self._label(blob), self.taken.data[blob], []
        for index in indices(data.shape):
            terms = [Term(part[index].value) for _, part in parts if index in part]
            step = total(terms).at("dx", index) if len(terms) == len(parts) else None
            truth = float(diff[index]) if diff is not None else step.value if step else nan
            lines.append(_line(f"d {name}", index, step, truth))
        return Group(f"d {name}: from {' and '.join(layer for layer, _ in parts)}", tuple(lines))

    def _readers(self, nodes: Sequence[Node]) -> dict[int, int]:
        """How many bottoms pass a gradient to each blob."""
        number: dict[int, int] = {}
        for node in nodes:
            for _, bottom in self._wanted(node):
                number[self._root(bottom)] = number.get(self._root(bottom), 0) + 1
        return number

    def _summed(self, nodes: Sequence[Node]) -> Iterator[int]:
        """The blobs that are another one's memory by a further name, where more than one layer passes a gradient to it.

        All that is kept there is the sum.
        """
        home, readers = {blob.index: blob.index for blob in self.graph.blobs}, dict[int, int]()
        for node in self.graph.nodes:
            if self._names(node):
                home |= dict.fromkeys(node.tops, home[self._root(node.bottoms[0])])
        passing = [self._root(bottom) for node in nodes if not self._names(node) for _, bottom in self._wanted(node)]
        for blob in (*passing, *(loss.index for loss in self._losses())):
            readers[home[blob]] = readers.get(home[blob], 0) + 1
        return (blob for blob, own in home.items() if blob != own and readers.get(own, 0) > 1)

    def _names(self, node: Node) -> bool:
        """Whether a layer only gives further names to a blob."""
        return bool(node.bottoms) and node.layer.aliases(self.graph.phase)

    def _wanted(self, node: Node) -> list[tuple[int, int]]:
        """The bottoms of a layer that get a gradient, with their numbers."""
        pairs = zip(node.bottoms, node.propagate, strict=True)
        return [(slot, bottom) for slot, (bottom, wanted) in enumerate(pairs) if wanted]

    def _root(self, blob: int) -> int:
        """The blob that a copy in another layout stands for."""
        while (source := self.graph.blobs[blob].copy_of) is not None:
            blob = source
        return blob

    def _label(self, blob: int) -> str:
        return self.graph.blobs[self._root(blob)].label

    def _arrays(self, node: Node) -> LayerArrays:
        """The arrays of a layer; the gradient of a top that has none is its weight in the loss, which may be 0."""
        import numpy as np

        data = self.taken.data
        diffs = [
            np.full(data[top].shape, self.graph.blobs[top].loss_weight)
            if (diff := self.apart.get(top, self.taken.diff[top])) is None
            else diff
            for top in node.tops
        ]
        bottoms, tops = ([data[i] for i in blobs] for blobs in (node.bottoms, node.tops))
        return LayerArrays(bottoms, tops, [self.params[i] for i in node.params], diffs, self.graph.phase)


def _added(values: Array, parts: Sequence[Part]) -> Array | None:
    """The sum of the parts of the gradient of a blob with these values; None where one of them is missing."""
    import numpy as np

    if not all(index in part for index in indices(values.shape) for _, part in parts):
        return None
    made = np.empty(values.shape)
    for index in indices(values.shape):
        made[index] = sum(part[index].value for _, part in parts)
    return made


def same(value: float, truth: float) -> bool:
    """Whether arithmetic comes to the value that was computed, but for rounding."""
    return isclose(value, truth, rel_tol=1e-9, abs_tol=1e-12)


def _line(name: str, index: tuple[int, ...], step: Worked | None, truth: float) -> Line:
    """A number, with the arithmetic of a step if that comes to it."""
    return Line(name, index, step.words if step is not None and same(step.value, truth) else "", truth)


def _lines(name: str, truth: Array, part: Mapping[tuple[int, ...], Worked], whole: bool) -> list[Line]:
    """A layer's part of a gradient; where it is the `whole` gradient, with the values that were computed."""
    if whole:
        return [_line(name, index, part.get(index), float(truth[index])) for index in indices(truth.shape)]
    return [Line(name, index, step.words, step.value) for index, step in part.items()]


def _constant(values: Array, value: float) -> dict[tuple[int, ...], Worked]:
    return {index: Term(value).at("dx", index) for index in indices(values.shape)}
