"""Kronecker factors: the layers that have them, where their rows come from, and their damped inverses.

The Fisher block of a layer with the matrix W (M, n), whose last column is the bias, is about A (x) G. A (n, n) is the
second moment of what the layer multiplies, with a 1 for the bias; G (M, M) is that of the loss' derivatives at its top.
Of a convolution with L places, A is summed over the places and G is their mean. Groups have factors of their own.

Source: Martens & Grosse 2015, Optimizing Neural Networks with Kronecker-factored Approximate Curvature, sections 3 and
6.3; Grosse & Martens 2016, A Kronecker-factored Approximate Fisher Matrix for Convolution Layers, theorem 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.shape import Shape, axis_of, count
from netspec.layers.convolution import Convolution
from netspec.layers.inner_product import InnerProduct
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Factored:
    """A layer with factors, its params by index.

    `inputs` and `outputs` are the sides of A and G, for each of `groups`. `places` is L; `samples` counts the batch.
    """

    node: Node
    weight: int
    bias: int | None
    groups: int
    inputs: int
    outputs: int
    places: int
    samples: int

    @property
    def turned(self) -> bool:
        """Whether the weight lies with a row for each input."""
        return isinstance(self.node.layer, InnerProduct) and self.node.layer.transpose

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of A and G and their inverses, by the names of the solver type's state."""
        a, g = (self.groups, self.inputs, self.inputs), (self.groups, self.outputs, self.outputs)
        return {"A": a, "G": g, "A_inverse": a, "G_inverse": g}


def factored(net: ShapedGraph, largest: int) -> Iterator[Factored]:
    """The layers of a net that have factors, none of them with a side over `largest`.

    These are each InnerProduct and Convolution of a single bottom whose weight learns and belongs to it alone.
    """
    params = net.graph.params
    for node in net.graph.nodes:
        layer = node.layer
        if not isinstance(layer, (Convolution, InnerProduct)) or not node.backward or len(node.bottoms) != 1:
            continue
        own = [index if params[index].learned and len(params[index].users) == 1 else None for index in node.params]
        weight, bias = own[0], own[1] if len(own) > 1 else None
        bottom, top = net.bottom_shapes(node)[0], net.top_shapes(node)[0]
        axis = axis_of(layer.axis, bottom)
        if weight is None or axis == 0:
            continue
        groups, m = layer.group if isinstance(layer, Convolution) else 1, layer.num_output
        n, outputs = count(net.params[weight]) // m + (bias is not None), m // groups
        rows, batch = count(top) // m, net.batch_axes[node.bottoms[0]]
        samples = bottom[batch] if batch is not None else 1
        if max(n, outputs) <= largest:
            yield Factored(node, weight, bias, groups, n, outputs, rows // samples, samples)


class Rows(NamedTuple):
    """Where the rows of a factor lie in a blob: L places of an image, at each T taps of some channels.

    `table` (L, T), int32, says how far a tap's value of the first channel lies from the image's first, or -1 outside.
    `image` and `channel` are the distances of images and of channels.
    """

    table: Array
    channels: int
    image: int
    channel: int


def bottom_rows(one: Factored, bottom: Shape, pitch: int | None) -> Rows:
    """The rows of A. `bottom` is in the order N, C, H, W; with channels last in memory, `pitch` from pixel to pixel."""
    import numpy as np

    layer, table = one.node.layer, np.zeros((1, 1), np.int64)
    if not isinstance(layer, Convolution):
        return Rows(table.astype(np.int32), one.inputs - (one.bias is not None), one.inputs - (one.bias is not None), 1)
    inside = np.ones((1, 1), bool)
    _, channels, spatial = layer.cut(bottom)
    for size, number, (kernel, stride, pad, dilation) in zip(
        spatial, layer.spatial(bottom), layer.windows(bottom), strict=True
    ):
        at = np.arange(number)[:, None] * stride - pad + np.arange(kernel) * dilation
        within = (at >= 0) & (at < size)
        crossed = (len(table) * number, table.shape[1] * kernel)
        table = (table[:, None, :, None] * size + at[:, None, :]).reshape(crossed)
        inside = (inside[:, None, :, None] & within[:, None, :]).reshape(crossed)
    step, channel = (1, count(spatial)) if pitch is None else (pitch, 1)
    image = count(spatial) * (channels if pitch is None else step)
    return Rows(np.where(inside, table * step, -1).astype(np.int32), channels // one.groups, image, channel)


def top_rows(one: Factored, top: Shape, pitch: int | None) -> Rows:
    """The rows of G; `top` and `pitch` as those of a bottom."""
    import numpy as np

    layer, m = one.node.layer, one.outputs * one.groups
    spatial = count(layer.cut(top)[2]) if isinstance(layer, Convolution) else 1
    step, channel = (1, spatial) if pitch is None else (pitch, 1)
    image = spatial * (m if pitch is None else step)
    return Rows((np.arange(spatial)[:, None] * step).astype(np.int32), one.outputs, image, channel)


def damped_inverses(a: Array, g: Array, damping: float) -> tuple[Array, Array]:
    """(A + pi sqrt(damping) I)^-1 and (G + sqrt(damping) / pi I)^-1, in float64. a: (n, n), g: (M, M).

    pi^2 is the ratio of the mean eigenvalues of A and G, which makes the damping of both alike; 1 where one of them
    is 0. Raises LinAlgError.
    """
    import numpy as np

    means = float(np.trace(a)) / len(a), float(np.trace(g)) / len(g)
    pi = sqrt(means[0] / means[1]) if min(means) > 0 else 1.0
    return _inverse(a, pi * sqrt(damping)), _inverse(g, sqrt(damping) / pi)


def _inverse(factor: Array, shift: float) -> Array:
    """(factor + shift I)^-1 of a symmetric factor."""
    import numpy as np

    inverse = np.linalg.inv(factor.astype(np.float64) + shift * np.eye(len(factor)))
    return (inverse + inverse.T) / 2
