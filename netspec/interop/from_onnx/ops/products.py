"""Products with weights: Conv, ConvTranspose, Gemm, MatMul."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.core.shape import text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Op, permuted, plain
from netspec.interop.from_onnx.ops.attention import attended, with_output
from netspec.interop.from_onnx.ops.cutting import cut

if TYPE_CHECKING:
    from netspec.core.calls import Array


def same_pads(op: Op, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """Zeros before and behind each axis, from `pads` or `auto_pad`; `kernel` is widened by the dilation."""
    mode, number = op.word("auto_pad", "NOTSET"), len(sizes)
    if mode == "NOTSET":
        pads = op.listed("pads") or (0,) * (2 * number)
        if len(pads) != 2 * number or min(pads, default=0) < 0:
            raise Lack(f"pads = {list(pads)}")
        return pads
    if mode == "VALID":
        return (0,) * (2 * number)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Lack(f"auto_pad = {mode}")
    axes = zip(sizes, kernel, stride, strict=True)
    whole = [max(0, (-(-size // step) - 1) * step + width - size) for size, width, step in axes]
    less, more = [pad // 2 for pad in whole], [pad - pad // 2 for pad in whole]
    return (*less, *more) if mode == "SAME_UPPER" else (*more, *less)


def each_axis(op: Op, name: str, number: int, default: int = 1) -> tuple[int, ...]:
    """An attribute of a length for each spatial axis."""
    values = op.listed(name) or (default,) * number
    if len(values) != number or min(values, default=1) < 1:
        raise Lack(f"{name} = {list(values)} for {number} axes")
    return values


def spatial(blob: Blob) -> tuple[int, ...]:
    """The lengths behind the channels. Raises Lack where there are none."""
    if len(blob.shape) < 3:
        raise Lack(f"an input of {text(blob.shape)}, without axes behind the channels")
    return blob.shape[2:]


def padded(op: Op, x: Blob, pads: Sequence[int], value: float = 0.0) -> tuple[Blob, list[int]]:
    """The blob padded as far as zeros on both sides cannot do it, and the padding that is left to the layer."""
    half = len(pads) // 2
    if tuple(pads[:half]) == tuple(pads[half:]):
        return x, list(pads[:half])
    beg, end = list(pads[:half]), list(pads[half:])
    return op.layer("Pad", x, part="pad", pad_beg=plain(beg, 0), pad_end=plain(end, 0), value=value), [0] * half


def convolution(op: Op) -> Blob:
    """Conv: a Convolution, behind a Pad where the two sides get different numbers of zeros."""
    x, weight = op.blob(), op.floats(1, "the weight")
    sizes = spatial(x)
    number = len(sizes)
    kernel = weight.shape[2:]
    if len(kernel) != number or (op.listed("kernel_shape") or kernel) != kernel:
        raise Lack(f"a weight of {text(weight.shape)} for an input of {text(x.shape)}")
    stride, dilation = each_axis(op, "strides", number), each_axis(op, "dilations", number)
    wide = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    pads = same_pads(op, sizes, wide, stride)
    axes = zip(sizes, wide, stride, pads[:number], pads[number:], strict=True)
    shape = tuple((size + beg + end - width) // step + 1 for size, width, step, beg, end in axes)
    x, pad = padded(op, x, pads)
    bias = [op.floats(2, "the bias")] if op.has(2) else []
    top = op.layer(
        "Convolution",
        x,
        num_output=weight.shape[0],
        kernel_size=plain(kernel),
        stride=plain(stride, 1),
        pad=plain(pad, 0),
        dilation=plain(dilation, 1),
        group=op.integer("group", 1),
        bias_term=bool(bias),
        weights=[weight, *bias],
    )
    return op.expect(top, (x.shape[0], weight.shape[0], *shape))


def deconvolution(op: Op) -> Blob:
    """ConvTranspose: a Deconvolution, whose last rows are cut off or whose first ones are not padded away."""
    x, weight = op.blob(), op.floats(1, "the weight")
    sizes, group = spatial(x), op.integer("group", 1)
    number, kernel = len(sizes), weight.shape[2:]
    if len(kernel) != number or group < 1 or "output_shape" in op.node.attributes:
        raise Lack("output_shape" if "output_shape" in op.node.attributes else f"a weight of {text(weight.shape)}")
    op.only("auto_pad", "NOTSET", "VALID")
    stride, dilation = each_axis(op, "strides", number), each_axis(op, "dilations", number)
    more = op.listed("output_padding") or (0,) * number
    pads = same_pads(op, sizes, kernel, stride)
    begin, end = pads[:number], [pad - extra for pad, extra in zip(pads[number:], more, strict=True)]
    if min(end, default=0) < 0:
        raise Lack(f"output_padding = {list(more)}, more than the padding")
    pad = [min(two) for two in zip(begin, end, strict=True)]
    bias = [op.floats(2, "the bias")] if op.has(2) else []
    whole = begin == tuple(end)
    top = op.layer(
        "Deconvolution",
        x,
        part="" if whole else "whole",
        num_output=weight.shape[1] * group,
        kernel_size=plain(kernel),
        stride=plain(stride, 1),
        pad=plain(pad, 0),
        dilation=plain(dilation, 1),
        group=group,
        bias_term=bool(bias),
        weights=[weight, *bias],
    )
    for axis in range(number):
        before, behind = begin[axis] - pad[axis], end[axis] - pad[axis]
        if before or behind:
            top = cut(op, top, 2 + axis, before, top.shape[2 + axis] - behind)
    return top


def product(op: Op, x: Blob, weight: Array, bias: Array | None, axis: int = 1) -> Blob:
    """An InnerProduct with a weight (M, K)."""
    import numpy as np

    axis = axis if axis >= 0 else axis + len(x.shape)
    above = op.net.maker(x)
    if axis == 1 and above.type == "Flatten" and not above.fields:
        x = above.bottoms[0]  # an InnerProduct flattens by itself
    projected = with_output(op, x, weight, bias)
    if projected is not None:
        return projected
    weights = [np.ascontiguousarray(weight), *([] if bias is None else [bias])]
    fields = {"num_output": weight.shape[0], "bias_term": bias is not None}
    return op.layer("InnerProduct", x, **fields, axis=axis, weights=weights)


def gemm(op: Op) -> Blob:
    """Gemm with a constant matrix: an InnerProduct."""
    import numpy as np

    x, weight = op.blob(), op.floats(1, "the matrix")
    if len(x.shape) != 2 or weight.ndim != 2 or op.integer("transA", 0):
        raise Lack("transA = 1" if op.integer("transA", 0) else f"{text(x.shape)} times {text(weight.shape)}")
    alpha, beta = op.number("alpha", 1.0), op.number("beta", 1.0)
    weight = weight if op.integer("transB", 0) else weight.T
    bias = op.floats(2, "what is added") if op.has(2) else None
    if bias is not None:
        if bias.size not in (1, weight.shape[0]) or (bias.ndim and bias.shape[-1] != bias.size):
            raise Lack(f"it adds {text(bias.shape)}")
        bias = np.broadcast_to(bias.reshape(-1) * np.asarray(beta, bias.dtype), (weight.shape[0],))
    return product(op, x, weight * np.asarray(alpha, weight.dtype) if alpha != 1 else weight, bias)


def matmul(op: Op) -> Blob:
    """MatMul with a constant matrix: an InnerProduct along the last axis; with the matrix first, between Permutes."""
    if op.has(0) and not isinstance(op.inputs[0], Blob):
        weight, x = op.floats(0, "the matrix"), op.blob(1)
        if weight.ndim != 2 or len(x.shape) < 2:
            raise Lack(f"{text(weight.shape)} times {text(x.shape)}")
        order = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
        turned = permuted(op, x, order, part="turned")
        return permuted(op, product(op, turned, weight, None, -1), order, part="back")
    x = op.blob()
    if isinstance(op.inputs[1] if op.has(1) else None, Blob):
        return attended(op, x, op.blob(1))
    weight = op.floats(1, "the matrix")
    if weight.ndim != 2 or len(x.shape) < 2:
        raise Lack(f"{text(x.shape)} times {text(weight.shape)}")
    return product(op, x, weight.T, None, 1 if len(x.shape) == 2 else -1)


OPS = {"Conv": convolution, "ConvTranspose": deconvolution, "Gemm": gemm, "MatMul": matmul}
