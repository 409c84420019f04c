"""What Caffe's layers leave behind in diffs besides gradients: scripts that read every diff see it.

Source: Caffe scale_layer.cpp, hinge_loss_layer.cpp, which use the diff of a bottom as scratch memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.api.blobs import Cell
from netspec.core.shape import axis_of
from netspec.engine.program import Program
from netspec.layers.hinge_loss import HingeLoss
from netspec.layers.scale import Scale

if TYPE_CHECKING:
    from netspec.net.as_caffe import CaffeLayer
    from netspec.net.graph import Node


def after_forward(layers: Sequence[CaffeLayer], cells: Sequence[Cell]) -> None:
    """Leave the margins of a HingeLoss in the diff of its scores."""
    import numpy as np

    for layer in layers:
        if layer.type != HingeLoss.__name__:
            continue
        scores, labels = (cells[number] for number in layer.bottoms)
        margins = scores.data.reshape(len(scores.data), -1).copy()
        at = np.arange(len(margins)), labels.data.reshape(-1).astype(int)
        margins[at] *= -1
        scores.gradient()[...] = np.maximum(0, 1 + margins).reshape(scores.data.shape)


def after_backward(program: Program, cells: Sequence[Cell], layer: CaffeLayer, node: Node) -> None:
    """Leave the products of a Scale in the diff of a bottom that gets no gradient."""
    if not isinstance(node.layer, Scale) or layer.propagate[0] or layer.bottoms[0] in layer.tops:
        return
    below, above = cells[layer.bottoms[0]], cells[layer.tops[0]]
    if node.params and len(node.bottoms) == 1:
        factor, learned = program.weights.data[node.params[0]], program.graph.params[node.params[0]].learned
    else:
        factor, learned = program.data[node.bottoms[1]], layer.propagate[1]
    if learned and factor.size != below.data.size:
        below.gradient()[...] = above.gradient() * below.data


def before_backward(program: Program, cells: Sequence[Cell], layer: CaffeLayer, node: Node) -> None:
    """Empty the diff of a Scale's param that Caffe overwrites instead of adding to it: one without batch axes."""
    if isinstance(node.layer, Scale) and node.params and len(node.bottoms) == 1:
        shape, factor = cells[layer.bottoms[0]].data.shape, program.weights.data[node.params[0]]
        diff = program.weights.diff[node.params[0]]
        outer = math.prod(shape[: axis_of(node.layer.axis, shape)])
        inner = math.prod(shape) // (outer * factor.size)
        if diff is not None and (outer == inner == 1 or (outer == 1 and factor.size > 1)):
            diff[...] = 0
