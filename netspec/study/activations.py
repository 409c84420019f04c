"""Activations: what the layers of a net make of a single sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.shape import Shape, count
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph
from netspec.study.shown import NothingToShowError, Sample, Shown, forward, of_samples

if TYPE_CHECKING:
    from netspec.core.calls import Array

_LAYERS = 8
"""Layers that are shown where none is named."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The top of a layer for a sample: as maps (C, H, W), one for every channel; a dense top is a single map."""

    layer: str
    type: str
    shape: Shape
    maps: Array


@dataclass(frozen=True, eq=False)
class Activations:
    """A sample, and the maps of some layers in their order.

    `answer` says what the net makes of the sample, and `truth` is the name of its class, where that is known.
    """

    net: str
    sample: Sample
    answer: str
    truth: str | None
    layers: tuple[Maps, ...]

    @property
    def said(self) -> str:
        """Which sample and layers, and what the net answers."""
        told = f", answered with {self.answer}" if self.answer else ""
        return f"{self.sample.name}{told}; layers {', '.join(one.layer for one in self.layers)}"


def activations(shown: Shown, sample: Sample, layers: Sequence[str] = ()) -> Activations:
    """The maps of some layers for a sample; where none is named, of those that change what an image looks like.

    Raises NotThereError, NothingToShowError.
    """
    nodes = [shown.node(layer) for layer in layers] or _telling(shown.written)
    program = shown.program(1)
    forward(program, [values[None] for values in sample.inputs])
    own = {node.layer.name: node for node in program.graph.nodes}
    found = []
    for node in nodes:
        top = own[node.layer.name].tops[0]
        values = of_samples(program, top, 1)[0]
        found.append(Maps(node.layer.name, node.layer.type, values.shape, _maps(values)))
    scores = of_samples(program, program.graph.named[shown.trained.answer.blob].index, 1)[0]
    return Activations(shown.title, sample, answered(shown, scores), shown.true_name(sample), tuple(found))


def answered(shown: Shown, values: Array) -> str:
    """What a net answers for a sample, in words; values: (...) of its answer."""
    flat = values.reshape(-1)
    if shown.trained.answer.axis is None or not flat.size or values.ndim > 1:
        return f"{shown.trained.answer.blob} = {flat[0]:.4g}" if flat.size == 1 else ""
    best = int(flat.argmax())
    return f"{shown.class_name(best)} ({flat[best]:.3g})"


def _telling(shaped: ShapedGraph) -> list[Node]:
    """Layers to show: those with weights, their activations and poolings, and the last; of many some of the latter."""
    graph = shaped.graph
    ends = [node for node in graph.nodes if node.bottoms and not any(map(graph.readers, node.tops))]
    telling = [node for node in graph.nodes if node.bottoms and node.layer.purpose in {"activation", "pooling"}]
    learned = [node for node in graph.nodes if node.bottoms and node.params]
    found = _in_order(learned, telling, ends)
    if not found:
        raise NothingToShowError(f"the net '{graph.name}' has no layers to show")
    if len(found) > _LAYERS and telling:
        found = _in_order(learned[:1], telling, ends)
    if len(found) <= _LAYERS:
        return found
    return [found[i * (len(found) - 1) // (_LAYERS - 1)] for i in range(_LAYERS)]


def _in_order(*groups: Sequence[Node]) -> list[Node]:
    """The layers of some groups in their order, each once."""
    found = {node.index: node for group in groups for node in group}
    return [found[index] for index in sorted(found)]


def _maps(values: Array) -> Array:
    """The values of a sample as maps (C, H, W); rows of a dense top are broken so that it is about four times as wide.

    What is missing in the last row is NaN.
    """
    import numpy as np

    if values.ndim >= 3:
        return values.reshape(len(values), -1, values.shape[-1])
    if values.ndim == 2:
        return values[None]
    size = count(values.shape)
    wide = size if size <= 32 else int(np.ceil(np.sqrt(size * 4)))
    rows = -(-size // wide)
    filled = np.full(rows * wide, np.nan)
    filled[:size] = values.reshape(-1)
    return filled.reshape(1, rows, wide)
