"""A net's graph computed by PyTorch: an independent result for the zoo nets.

`TorchNet` walks the layers of a Graph and calls `torch.nn.functional` for each, on equal weights, as PyTorch's users
write such nets: ReLU and sums in place where autograd allows it, and running statistics updated. Tests compare losses
and gradients (with Dropout at ratio 0, because each side draws its own numbers); benchmarks compare times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from netspec.core.shape import axis_of
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph

Format = torch.memory_format
LAYOUTS = {"eager": torch.contiguous_format, "channels_last": torch.channels_last}
"""PyTorch as it comes, and as its guide to CPU speed recommends."""


class TorchNet:
    """The layers of one phase on torch tensors; `params` are leaves in the order of the graph's params."""

    def __init__(self, shaped: ShapedGraph, params: Iterable[Any], layout: Format = torch.contiguous_format) -> None:
        self.shaped, self.graph, self.layout = shaped, shaped.graph, layout
        learned = [param.learned for param in self.graph.params]
        self.params = [
            self.placed(torch.tensor(array)).requires_grad_(wanted)
            for array, wanted in zip(params, learned, strict=True)
        ]
        self.training = self.graph.phase == "TRAIN"
        self.overwrites = {node.index for node in self.graph.nodes if may_overwrite(self.graph, node)}
        if not self.training:
            self._settle_statistics()

    def placed(self, tensor: Tensor) -> Tensor:
        """The tensor in the net's memory format, if it has four axes."""
        return tensor.contiguous(memory_format=self.layout) if tensor.dim() == 4 else tensor

    def _settle_statistics(self) -> None:
        """Divide the running sums of BatchNorm by their scale: torch keeps running means."""
        for node in self.graph.nodes:
            if node.layer.type == "BatchNorm":
                mean, variance, scale = (self.params[p] for p in node.params[:3])
                mean.div_(scale), variance.div_(scale)

    def apply(self, node: Node, bottoms: Sequence[Tensor], overwrite: bool) -> tuple[Tensor, ...]:
        """The tops of one layer."""
        work = Work(node.layer, bottoms, [self.params[p] for p in node.params], self.training, overwrite)
        tops = _LAYERS[node.layer.type](work)
        return tops if isinstance(tops, tuple) else (tops,)

    def blobs(self, *inputs: Any, keep: bool = False) -> dict[int, Tensor]:
        """Compute the blobs that no layer reads from arrays for the Inputs; with `keep` all blobs, none overwritten."""
        blobs = {
            blob: self.placed(torch.as_tensor(array)) for blob, array in zip(self.graph.inputs, inputs, strict=True)
        }
        last = _last_readers(self.graph)
        for node in self.graph.nodes:
            if node.layer.type == "Input":
                continue
            tops = self.apply(node, [blobs[b] for b in node.bottoms], node.index in self.overwrites and not keep)
            for bottom in {b for b in node.bottoms if last[b] == node.index and not keep}:
                del blobs[bottom]
            blobs.update(zip(node.tops, tops, strict=True))
        return blobs

    def loss(self, *inputs: Any) -> Tensor:
        """The weighted sum of losses for arrays of the Inputs' tops."""
        return weighted(self.graph, self.blobs(*inputs))

    def gradients(self, *inputs: Any) -> list[Any]:
        """The gradient of every param, None for those that are not learned."""
        for param in self.params:
            param.grad = None
        self.loss(*inputs).backward()
        return [None if param.grad is None else param.grad.numpy() for param in self.params]

    def scores(self, *inputs: Any) -> Tensor:
        """The top of the last layer."""
        return self.blobs(*inputs)[self.graph.nodes[-1].tops[0]]


class TorchStepper:
    """A TorchNet fed with one batch, in N, C, H, W order: `step` trains with SGD, `infer` runs forward."""

    def __init__(
        self, net: TorchNet, batch: Sequence[Any], rate: float = 0.0, momentum: float = 0.0, decay: float = 0.0
    ) -> None:
        self.net = net
        labels = {blob for node in net.graph.nodes for blob in node.bottoms[1:] if node.layer.type == "SoftmaxWithLoss"}
        tensors = [torch.tensor(array) for array in batch]
        self.batch = [t.long() if blob in labels else t for blob, t in zip(net.graph.inputs, tensors, strict=True)]
        learned = [param for param in net.params if param.requires_grad]
        self.solver = torch.optim.SGD(learned, lr=rate, momentum=momentum, weight_decay=decay)

    def step(self) -> None:
        """One iteration of training, as PyTorch's tutorials write it."""
        self.solver.zero_grad(set_to_none=True)
        self.net.loss(*self.batch).backward()
        self.solver.step()

    def infer(self) -> None:
        """One forward pass without gradients."""
        self.scores()

    def scores(self) -> Any:
        """The last layer's top, without gradients."""
        with torch.inference_mode():
            return self.net.scores(*self.batch).numpy()


class Work(NamedTuple):
    """The inputs of one layer: bottoms, params, phase, and whether bottom 0 may be overwritten."""

    layer: Any
    x: Sequence[Tensor]
    params: Sequence[Tensor]
    training: bool
    overwrite: bool


_UNSAVED = ("BatchNorm", "Convolution", "Eltwise", "InnerProduct", "Pooling")
"""Types of layers whose backward does not read their top."""


def may_overwrite(graph: Graph, node: Node) -> bool:
    """Whether a layer may work in place: its bottom 0 has no other reader, and its producer does not need it again."""
    maker = graph.nodes[graph.blobs[node.bottoms[0]].producer] if node.bottoms else node
    alone = bool(node.bottoms) and len(list(graph.readers(node.bottoms[0]))) == 1
    return alone and maker.layer.type in _UNSAVED and not _picks(maker.layer)


def weighted(graph: Graph, blobs: Mapping[int, Tensor]) -> Tensor:
    """The weighted sum of the losses among some blobs."""
    losses = [graph.blobs[b].loss_weight * top.sum() for b, top in blobs.items() if graph.blobs[b].loss_weight]
    return torch.stack(losses).sum()


def _last_readers(graph: Graph) -> dict[int, int]:
    """For every blob that is read, the last node that reads it."""
    return {bottom: node.index for node in graph.nodes for bottom in node.bottoms}


def _picks(layer: Any) -> bool:
    """Whether a layer only picks every s-th pixel: a pooling of 1x1."""
    return (
        layer.type == "Pooling"
        and layer.kernel_size == (1,)
        and layer.round_mode == "FLOOR"
        and not layer.global_pooling
    )


def _convolution(work: Work) -> Tensor:
    (_, sh, ph, dh), (_, sw, pw, dw) = work.layer.windows(tuple(work.x[0].shape))
    bias = work.params[1] if len(work.params) > 1 else None
    return functional.conv2d(work.x[0], work.params[0], bias, (sh, sw), (ph, pw), (dh, dw), work.layer.group)


def _pooling(work: Work) -> Tensor:
    layer, x = work.layer, work.x[0]
    if layer.global_pooling and layer.pool == "AVE":
        return functional.adaptive_avg_pool2d(x, 1)
    (fh, sh, ph, _), (fw, sw, pw, _) = layer.windows(tuple(x.shape))
    if _picks(layer):
        return x[:, :, ::sh, ::sw]
    ceil = layer.round_mode == "CEIL"
    if layer.pool == "MAX":
        return functional.max_pool2d(x, (fh, fw), (sh, sw), (ph, pw), ceil_mode=ceil)
    return functional.avg_pool2d(x, (fh, fw), (sh, sw), (ph, pw), ceil_mode=ceil)


def _inner_product(work: Work) -> Tensor:
    x = work.x[0].flatten(axis_of(work.layer.axis, tuple(work.x[0].shape)))
    return functional.linear(x, work.params[0], work.params[1] if len(work.params) > 1 else None)


def _batch_norm(work: Work) -> Tensor:
    layer, (mean, variance, _, *affine) = work.layer, work.params
    weight, bias = affine or (None, None)
    share = 1 - layer.moving_average_fraction
    return functional.batch_norm(
        work.x[0], mean, variance, weight, bias, training=work.training, momentum=share, eps=layer.eps
    )


def _scale(work: Work) -> Tensor:
    shape = (1, -1, *(1,) * (work.x[0].dim() - 2))
    y = work.x[0] * work.params[0].reshape(shape)
    return y + work.params[1].reshape(shape) if len(work.params) > 1 else y


def _lrn(work: Work) -> Tensor:
    layer = work.layer
    return functional.local_response_norm(work.x[0], layer.local_size, layer.alpha, layer.beta, layer.k)


def _eltwise(work: Work) -> Tensor:
    result, *others = work.x
    for other in others:
        if work.layer.operation == "SUM" and work.overwrite:
            result = result.add_(other)
        else:
            result = {"SUM": torch.add, "PROD": torch.mul, "MAX": torch.maximum}[work.layer.operation](result, other)
    return result


def _layer_norm(work: Work) -> Tensor:
    (x,), weight = work.x, work.params[0] if work.params else None
    own = x.shape[axis_of(work.layer.axis, tuple(x.shape)) :]
    return functional.layer_norm(x, own, weight, work.params[1] if work.params else None, work.layer.eps)


def _attention(work: Work) -> Tensor:
    """Self-attention, as torch.nn.MultiheadAttention computes it where its probabilities are not asked for."""
    layer, x, params = work.layer, work.x[0].transpose(0, 1), work.params
    mask = torch.full((len(x), len(x)), -torch.inf, dtype=x.dtype).triu(1) if layer.causal else None
    into, out = (torch.cat(list(params[4:7])), params[7]) if layer.bias_term else (None, None)
    ratio = layer.dropout_ratio
    y, _ = functional.multi_head_attention_forward(
        x, x, x, x.shape[2], layer.num_heads, torch.cat(list(params[:3])), into, None, None, False, ratio, params[3],
        out, training=work.training and ratio > 0, need_weights=False, attn_mask=mask, is_causal=layer.causal,
    )  # fmt: skip
    return y.transpose(0, 1)


def _power(work: Work) -> Tensor:
    layer = work.layer
    if layer.scale == 0:
        return torch.full_like(work.x[0], layer.shift**layer.power)
    return (layer.shift + layer.scale * work.x[0]) ** layer.power


def _softmax_with_loss(work: Work) -> Tensor:
    """Labels (N,) belong to scores (N, C, 1, 1) too; torch wants (N, 1, 1) then."""
    scores, labels = work.x
    return functional.cross_entropy(scores, labels.long().reshape(len(scores), *scores.shape[2:]))


def _dropout(work: Work) -> Tensor:
    ratio = work.layer.dropout_ratio
    return functional.dropout(work.x[0], ratio, work.training) if ratio else work.x[0]


_LAYERS: dict[str, Callable[[Work], Any]] = {
    "BatchNorm": _batch_norm,
    "Concat": lambda work: torch.cat(list(work.x), 1),
    "Convolution": _convolution,
    "Dropout": _dropout,
    "Eltwise": _eltwise,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "LayerNorm": _layer_norm,
    "MultiHeadAttention": _attention,
    "Pooling": _pooling,
    "PositionalEmbedding": lambda work: work.x[0] + work.params[0][: work.x[0].shape[1]],
    "Power": _power,
    "Reshape": lambda work: work.x[0].reshape(work.layer.top_shapes((tuple(work.x[0].shape),))[0]),
    "ReLU": lambda work: functional.relu(work.x[0], inplace=work.overwrite),
    "Scale": _scale,
    "SoftmaxWithLoss": _softmax_with_loss,
}
