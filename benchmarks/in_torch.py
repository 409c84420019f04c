"""A net's graph carried out by PyTorch: the other opinion on what a zoo net computes.

`TorchNet` walks the layers of a Graph and calls `torch.nn.functional` for each, on the same weights. Tests compare losses and gradients;
benchmarks compare times. Layers that draw random numbers (Dropout) must be at ratio 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from netspec.graph import Node
from netspec.infer import ShapedGraph


class TorchNet:
    """The layers of one phase on torch tensors; `params` are leaves in the order of the graph's params."""

    def __init__(self, shaped: ShapedGraph, params: Sequence[Any]) -> None:
        self.shaped, self.graph = shaped, shaped.graph
        learned = [param.learned for param in self.graph.params]
        self.params = [torch.tensor(array).requires_grad_(wanted) for array, wanted in zip(params, learned, strict=True)]

    def loss(self, *inputs: Any) -> Tensor:
        """The weighted sum of losses for arrays of the Inputs' tops."""
        blobs: dict[int, Tensor] = {}
        for blob, array in zip(self.graph.inputs, inputs, strict=True):
            blobs[blob] = torch.as_tensor(array)
        total = torch.zeros((), dtype=self.params[0].dtype)
        for node in self.graph.nodes:
            if node.layer.type == "Input":
                continue
            tops = _LAYERS[node.layer.type](node, [blobs[b] for b in node.bottoms], [self.params[p] for p in node.params])
            for index, top in zip(node.tops, tops if isinstance(tops, tuple) else (tops,), strict=True):
                blobs[index] = top
                if self.graph.blobs[index].loss_weight:
                    total = total + self.graph.blobs[index].loss_weight * top.sum()
        return total

    def gradients(self, *inputs: Any) -> list[Any]:
        """The gradient of every param, None for those that are not learned."""
        for param in self.params:
            param.grad = None
        self.loss(*inputs).backward()
        return [None if param.grad is None else param.grad.numpy() for param in self.params]


Blobs = Sequence[Tensor]


def _convolution(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    (_, sh, ph, dh), (_, sw, pw, dw) = layer.window
    bias = params[1] if len(params) > 1 else None
    return functional.conv2d(x[0], params[0], bias, (sh, sw), (ph, pw), (dh, dw), layer.group)


def _pooling(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    (fh, sh, ph, _), (fw, sw, pw, _) = layer.windows(tuple(x[0].shape))
    ceil = layer.round_mode == "CEIL"
    if layer.pool == "MAX":
        return functional.max_pool2d(x[0], (fh, fw), (sh, sw), (ph, pw), ceil_mode=ceil)
    return functional.avg_pool2d(x[0], (fh, fw), (sh, sw), (ph, pw), ceil_mode=ceil)


def _inner_product(node: Node, x: Blobs, params: Blobs) -> Tensor:
    return functional.linear(x[0].flatten(1), params[0], params[1] if len(params) > 1 else None)


def _batch_norm(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    weight, bias = (params[3], params[4]) if layer.affine else (None, None)
    return functional.batch_norm(x[0], None, None, weight, bias, training=True, eps=layer.eps)


def _scale(node: Node, x: Blobs, params: Blobs) -> Tensor:
    shape = (1, -1, *(1,) * (x[0].dim() - 2))
    y = x[0] * params[0].reshape(shape)
    return y + params[1].reshape(shape) if len(params) > 1 else y


def _lrn(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    return functional.local_response_norm(x[0], layer.local_size, layer.alpha, layer.beta, layer.k)


def _eltwise(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    result = x[0]
    for other in x[1:]:
        result = {"SUM": torch.add, "PROD": torch.mul, "MAX": torch.maximum}[layer.operation](result, other)
    return result


def _power(node: Node, x: Blobs, params: Blobs) -> Tensor:
    layer: Any = node.layer
    return (layer.shift + layer.scale * x[0]) ** layer.power


def _dropout(node: Node, x: Blobs, params: Blobs) -> Tensor:
    assert node.layer.dropout_ratio == 0  # type: ignore[attr-defined]
    return x[0]


_LAYERS: dict[str, Callable[[Node, Blobs, Blobs], Any]] = {
    "BatchNorm": _batch_norm,
    "Concat": lambda node, x, params: torch.cat(list(x), 1),
    "Convolution": _convolution,
    "Dropout": _dropout,
    "Eltwise": _eltwise,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": lambda node, x, params: functional.relu(x[0]),
    "Scale": _scale,
    "SoftmaxWithLoss": lambda node, x, params: functional.cross_entropy(x[0], x[1].long()),
}
