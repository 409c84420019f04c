"""ShapedGraph: a graph with the shapes of its blobs and params, and the cost of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from netspec.core.receptive import ReceptiveField, Region
from netspec.core.shape import Shape, Shapes, count
from netspec.layers.base import BatchAxes
from netspec.net.graph import Graph, Node


@dataclass(frozen=True)
class Cost:
    """Cost of one layer, and the arithmetic behind its shapes.

    `params` (learned) and `stored` count only parameters that no layer above it has. `macs` are of a forward
    pass over the batch.
    """

    params: int = 0
    stored: int = 0
    macs: int = 0
    shape_words: str = ""
    param_words: str = ""


@dataclass(frozen=True)
class ShapedGraph:
    """A graph with shapes. `blobs[i]` is the shape of `graph.blobs[i]`; the empty tuple is the shape of a scalar.

    `batch_axes[i]` is the axis of blob i whose length grows with the batch; None where there is none. `fields[i]` is
    its receptive field. `whole` has the shapes that the net gives to blobs of which a rewrite left fewer pixels.
    """

    graph: Graph
    blobs: Shapes
    params: Shapes
    costs: tuple[Cost, ...]
    batch_axes: BatchAxes
    fields: tuple[ReceptiveField, ...]
    whole: Mapping[int, Shape] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Samples in a batch: the length of the batch axis of the first input that has one; 1 without inputs."""
        pairs = ((self.blobs[blob], self.batch_axes[blob]) for blob in self.graph.inputs)
        return next((shape[axis] for shape, axis in pairs if shape and axis is not None), 1)

    @property
    def unit(self) -> str:
        """What one sample is called: an image where the first input with a batch axis has the axes N, C, H, W."""
        pairs = ((self.blobs[blob], self.batch_axes[blob]) for blob in self.graph.inputs)
        first = next((len(shape) for shape, axis in pairs if shape and axis is not None), 0)
        return "image" if first == 4 else "sample"

    @property
    def total_params(self) -> int:
        """Learned parameters, shared ones counted once."""
        return sum(count(shape) for shape, p in zip(self.params, self.graph.params, strict=True) if p.param.learned)

    @property
    def stored_params(self) -> int:
        """Values that are kept with the weights but not learned (running statistics)."""
        return sum(count(shape) for shape, p in zip(self.params, self.graph.params, strict=True) if not p.param.learned)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one forward pass over the batch."""
        return sum(cost.macs for cost in self.costs)

    @property
    def largest_field(self) -> int:
        """The longer side of the largest receptive field that is not the whole image; 0 without one."""
        sizes = (self.region(blob).size for blob in range(len(self.blobs)))
        return int(max((max(size) for size in sizes if inf not in size), default=0))

    def region(self, blob: int) -> Region:
        """The receptive field of a blob in numbers."""
        return self.fields[blob].over(self.written_shape(blob))

    def written_shape(self, blob: int) -> Shape:
        """The shape of a blob as the net has it, before any rewrite."""
        return self.whole.get(blob, self.blobs[blob])

    def sample_shape(self, blob: int) -> Shape:
        """The shape of one sample in a blob: without the axis of the batch, whole where there is none."""
        axis = self.batch_axes[blob]
        return tuple(size for at, size in enumerate(self.blobs[blob]) if at != axis)

    def bottom_shapes(self, node: Node) -> Shapes:
        """The shapes a layer reads."""
        return tuple(self.blobs[b] for b in node.bottoms)

    def top_shapes(self, node: Node) -> Shapes:
        """The shapes a layer writes."""
        return tuple(self.blobs[t] for t in node.tops)
