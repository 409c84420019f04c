"""The deploy view of a net: what it takes to answer for new samples, as Caffe's deploy files have it.

Losses, scores and labels are left out, and what only they need. A loss that contains an activation becomes that
activation, so that the net gives probabilities. The view is a document like any other: it is wired, shaped and bound
along the same road, and its layers have the names under which snapshots hold their params.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Scalar
from netspec.core.nodes import Node as Written
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.spelling import unused
from netspec.data.spec import FeedSpec
from netspec.layers.base import LAYERS
from netspec.net.graph import Node, State
from netspec.net.heads import source
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.net.spec import net_spec
from netspec.net.wire import wire


class NothingToAnswerError(SpecError):
    """A net has no blob that answers for a sample without its label."""

    code = "NS657"


_PROBABLE = frozenset({"Softmax", "Sigmoid"})
"""Layer types that make probabilities."""


@dataclass(frozen=True)
class Answer:
    """A blob of the deploy view that answers for a sample.

    `blob` is its name there. `judge` is the layer, a loss or a score, that compares it in the whole net, and `scores`
    the blob that this layer reads: another one where the loss contains an activation. Both are empty where nothing
    compares it. `truth` is the number of the whole net's input that holds the values it is compared with. `axis` is the
    axis of classes that exclude each other. `probable`: its values are probabilities. `loss`: what compares it is a
    loss.
    """

    blob: str
    judge: str = ""
    scores: str = ""
    truth: int | None = None
    axis: int | None = None
    probable: bool = False
    loss: bool = False


@dataclass(frozen=True)
class Deployed:
    """A deploy view: its flat document, the state that it is wired in, and its answers in the order of layers.

    `inputs` are the numbers that its inputs have among the inputs of the whole net, and so among the data's outputs.
    `brought` are the data that a layer of the whole net brings.
    """

    document: Document
    state: State
    inputs: tuple[int, ...]
    answers: tuple[Answer, ...]
    brought: FeedSpec | None = None

    @property
    def main(self) -> Answer:
        """The answer that the net is for: that of the last loss; without losses the last that a score compares."""
        return max(enumerate(self.answers), key=lambda pair: (pair[1].loss, bool(pair[1].judge), pair[0]))[1]


def deploy(net: Document, state: State) -> Deployed:
    """The deploy view of a flat net, as it is in phase TEST at a level and stages. Raises every mistake of the net."""
    found = Findings()
    spec = net_spec(net, found)
    state = replace(state, phase="TEST")
    shaped = infer(wire(spec, state, found), found)
    found.raise_if_any()
    view = _View(shaped)
    answers = tuple(view.answers)
    if not answers:
        at, help = spec.place("layers", key=True), "give a layer with a loss, or with a top that nothing reads"
        raise NothingToAnswerError(f"net '{spec.name}' has no blob that answers for a sample", at=at, help=help)
    items = tuple(view.layers())
    node = net.root.items["layers"]
    root = net.root.without("expect", "force_backward").with_item("layers", Items(items, node.at), node.at)
    inputs = tuple(number for number, blob in enumerate(shaped.graph.inputs) if blob in view.needed)
    own = (one.layer.brings for one in shaped.graph.nodes if one.layer.fed)
    brought = next((feed for feed in own if isinstance(feed, FeedSpec)), None)
    return Deployed(replace(net, root=root), state, inputs, answers, brought)


@dataclass
class _View:
    """What the deploy view keeps of a whole net.

    `needed` are the blobs that answers are computed from. `activations` are the layers, by the index of the loss that
    they replace.
    """

    shaped: ShapedGraph
    answers: list[Answer] = field(default_factory=list)
    needed: set[int] = field(default_factory=set)
    activations: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = self.shaped.graph
        for node in self.graph.nodes:
            for answer, blob in self._answered(node):
                self.answers.append(answer)
                self._need(blob)

    def _judges(self, node: Node) -> bool:
        """Whether a layer says how good the net is."""
        layer = node.layer
        return (
            layer.is_loss
            or layer.purpose in ("loss", "score")
            or any(self.graph.blobs[t].loss_weight for t in node.tops)
        )

    def _given(self, node: Node) -> bool:
        """Whether a layer brings data."""
        return not node.bottoms and not node.params

    @cached_property
    def _learned(self) -> set[int]:
        """The blobs that depend on params."""
        found: set[int] = set()
        for node in self.graph.nodes:
            if node.params or not found.isdisjoint(node.bottoms):
                found.update(node.tops)
        return found

    @cached_property
    def _labels(self) -> set[int]:
        """The blobs that depend on labels, or on what a judgement came to.

        Labels are the given blobs that reach losses and scores, and no layer with params on the way. In a net without
        params they are those that reach losses and scores only beside what these compare.
        """
        learns, compared, judged = (self._reaching(which) for which in ("params", "compared", "judged"))
        given = [top for node in self.graph.nodes if self._given(node) for top in node.tops]
        found = {blob for blob in given if blob in judged and blob not in learns}
        if found.issuperset(given):
            found -= compared
        for node in self.graph.nodes:
            if self._judges(node):
                found.update(node.tops[1:] if node.layer.inner_activation is None else (), node.tops[:1])
            elif not found.isdisjoint(node.bottoms):
                found.update(node.tops)
        return found

    def _reaching(self, which: str) -> set[int]:
        """The blobs from which one comes to params, to a judge, or to what a judge compares, passing no judge."""
        found: set[int] = set()
        for node in reversed(self.graph.nodes):
            if self._judges(node):
                found.update({"params": (), "compared": node.bottoms[:1], "judged": node.bottoms}[which])
            elif (which == "params" and node.params) or not found.isdisjoint(node.tops):
                found.update(node.bottoms)
        return found

    def _answered(self, node: Node) -> Iterator[tuple[Answer, int]]:
        """The answers that a layer reads or makes, each with the blob of the whole net that it needs."""
        layer, blobs = node.layer, self.graph.blobs
        free = [blob for blob in node.bottoms if blob not in self._labels]
        if self._judges(node):
            apart = layer.without_diff(len(node.bottoms))
            free = [blob for slot, blob in enumerate(node.bottoms) if blob not in self._labels and slot not in apart]
            learned = [blob for blob in free if blob in self._learned] or free[:1]
            ranked = layer.is_loss or layer.purpose == "score"
            for blob in learned if ranked or len(free) < len(node.bottoms) else ():
                yield from self._compared(node, blob)
        elif not self._labels.isdisjoint(node.bottoms):
            yield from ((Answer(blobs[b].name), b) for b in free if b in self._learned and self._new(b))
        elif not self._given(node):
            ends = [top for top in node.tops if not self.graph.readers(top) and top not in self._labels]
            yield from ((self._plain(top), top) for top in ends if self._new(top))

    def _new(self, blob: int) -> bool:
        return all(self.graph.blobs[blob].name not in (one.blob, one.scores) for one in self.answers)

    def _plain(self, blob: int) -> Answer:
        """The answer of a blob that nothing compares: of a Softmax perhaps that of the scores that are compared."""
        maker = self.graph.nodes[self.graph.blobs[blob].producer]
        axis = getattr(maker.layer, "axis", None) if maker.layer.type == "Softmax" else None
        return Answer(self.graph.blobs[blob].name, axis=axis, probable=maker.layer.type in _PROBABLE)

    def _compared(self, node: Node, blob: int) -> Iterator[tuple[Answer, int]]:
        """The answer that a loss or a score compares, if no loss before compares that blob."""
        layer, name = node.layer, self.graph.blobs[blob].name
        before = [one for one in self.answers if name in (one.blob, one.scores) and one.judge]
        if before and (any(one.loss for one in before) or not layer.is_loss):
            return
        self.answers = [one for one in self.answers if one not in before and one.blob != name]
        classes = layer.classes(self.shaped.bottom_shapes(node))
        axis = getattr(layer, "axis", 1) if classes else None
        others = [bottom for bottom in node.bottoms if bottom != blob]
        plain = self._plain(blob)
        truth = source(self.graph, others[0]) if others else None
        answer = replace(plain, judge=layer.name, scores=name, truth=truth, axis=axis, loss=layer.is_loss)
        inner = layer.inner_activation if node.bottoms[:1] == (blob,) else None
        if inner is None:
            yield answer, blob
            return
        word, fields = inner
        axis = fields.get("axis", axis) if word == "Softmax" else None
        answer = replace(answer, axis=axis, probable=word in _PROBABLE)
        there = self._same(blob, word, fields)
        if there is not None:
            self.answers = [one for one in self.answers if one.blob != self.graph.blobs[there].name]
            yield replace(answer, blob=self.graph.blobs[there].name), there
            return
        top = self._activation(node, word, fields)
        yield replace(answer, blob=top), blob

    def _same(self, blob: int, word: str, fields: dict[str, Any]) -> int | None:
        """The top of a layer of the net that computes the activation of a blob already."""
        for index, _ in self.graph.readers(blob):
            node = self.graph.nodes[index]
            if node.layer.type == word and all(getattr(node.layer, key) == value for key, value in fields.items()):
                return node.tops[0]
        return None

    def _activation(self, node: Node, word: str, fields: dict[str, Any]) -> str:
        """Put an activation in the place of a loss; the name of its top."""
        layers = {one.layer.name for one in self.graph.nodes}
        if len(node.tops) > 1:
            top = self.graph.blobs[node.tops[1]].name
            name = unused(top, layers)
        else:
            several = sum(one.layer.is_loss and one.layer.inner_activation is not None for one in self.graph.nodes) > 1
            blobs = {blob.name for blob in self.graph.blobs}
            own = "prob" if word in _PROBABLE else word.lower()
            name = top = unused(f"{node.layer.name}_{own}" if several else own, layers | blobs)
        bottom = self.graph.blobs[node.bottoms[0]].name
        usual = LAYERS.get(word).model_fields
        said = {key: value for key, value in fields.items() if value != usual[key].default}
        self.activations[node.index] = {"name": name, "type": word, "bottom": bottom}
        self.activations[node.index] |= ({"top": top} if top != name else {}) | said
        return top

    def _need(self, blob: int) -> None:
        waiting = [blob]
        while waiting:
            blob = waiting.pop()
            if blob not in self.needed:
                self.needed.add(blob)
                node = self.graph.nodes[self.graph.blobs[blob].producer]
                waiting += node.bottoms[:1] if self._judges(node) else node.bottoms

    def layers(self) -> Iterator[Written]:
        """The layers of the view as they are written, each with its bottoms named, for any phase."""
        for node in self.graph.nodes:
            layer, needs = node.layer, self.needed.intersection(node.tops)
            at = layer.written.at if layer.written is not None else None
            assert at is not None and isinstance(layer.written, Mapping)
            if self._judges(node):
                if node.index in self.activations:
                    yield written(self.activations[node.index], at)
            elif layer.fed and needs:
                yield written(self._input(node, needs), at)
            elif needs or (layer.type == "Silence" and self.needed.issuperset(node.bottoms)):
                item = layer.written.without("include", "exclude", "loss_weight", "propagate_down")
                if node.bottoms:
                    item = item.with_item("bottom", written(self._names(node.bottoms), at), at)
                yield item

    def _names(self, blobs: Sequence[int]) -> str | tuple[str, ...]:
        """The names of blobs as a spec has them: of a single blob its name alone."""
        names = tuple(self.graph.blobs[blob].name for blob in blobs)
        return names if len(names) > 1 else names[0]

    def _input(self, node: Node, needs: set[int]) -> dict[str, Any]:
        """The needed tops of a layer that is fed, as an Input."""
        tops = [(slot, top) for slot, top in enumerate(node.tops) if top in needs]
        shapes, axes = node.layer.top_shapes(()), node.layer.batch_axes((), ())
        values: dict[str, Any] = {"name": node.layer.name, "type": "Input"}
        values["top"] = self._names([top for _, top in tops])
        values["shape"] = tuple(shapes[slot] for slot, _ in tops) if len(tops) > 1 else shapes[tops[0][0]]
        own = tuple(axes[slot] or 0 for slot, _ in tops)
        return values | ({"batch_axis": own} if any(own) else {})


def written(value: Any, at: Place) -> Written:
    """Plain values as nodes that all stand at one place."""
    if isinstance(value, dict):
        return Mapping({key: written(item, at) for key, item in value.items()}, dict.fromkeys(value, at), at)
    if isinstance(value, tuple):
        return Items(tuple(written(item, at) for item in value), at)
    return Scalar(value, at)
