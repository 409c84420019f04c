"""Pooling and sums over axes: MaxPool, AveragePool, the global ones, ReduceMean and its like, ArgMax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.core.shape import pooled
from netspec.interop.from_onnx.building import FROZEN, Blob, Lack
from netspec.interop.from_onnx.op import Convert, Op, axis_in, plain, reshaped
from netspec.interop.from_onnx.ops.activations import MOST
from netspec.interop.from_onnx.ops.products import each_axis, same_pads, spatial

if TYPE_CHECKING:
    from netspec.core.calls import Array


def _windows(op: Op, x: Blob) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride, padding and numbers of windows along each axis, as the model says."""
    sizes = spatial(x)
    number = len(sizes)
    kernel, stride = op.listed("kernel_shape") or (), each_axis(op, "strides", number)
    if len(kernel) != number or min(kernel) < 1 or {*(op.listed("dilations") or (1,))} != {1}:
        raise Lack(f"kernel_shape = {list(kernel)}, dilations = {list(op.listed('dilations') or ())}")
    pads = same_pads(op, sizes, kernel, stride)
    ceil = bool(op.integer("ceil_mode", 0)) and op.word("auto_pad", "NOTSET") == "NOTSET"
    outs = []
    for size, width, step, beg, end in zip(sizes, kernel, stride, pads[:number], pads[number:], strict=True):
        room = size + beg + end - width
        if room < 0:
            raise Lack(f"a window of {width} on {size} values")
        out = (-(-room // step) if ceil else room // step) + 1
        outs.append(out - (ceil and (out - 1) * step >= size + beg))
    return kernel, stride, pads, tuple(outs)


def _placed(op: Op, x: Blob, pool: str) -> tuple[Blob, tuple[int, ...], dict[str, Any]]:
    """The bottom of a Pooling, the padding before each axis of it, and its fields.

    Windows that begin at the same places and are as many are the same windows, whatever hangs over behind.
    """
    kernel, stride, pads, outs = _windows(op, x)
    sizes, number = x.shape[2:], len(kernel)
    begin = pads[:number]
    fields = {"pool": pool, "kernel_size": plain(kernel), "stride": plain(stride, 1)}
    for mode in ("CEIL", "FLOOR"):
        axes = zip(sizes, kernel, stride, begin, strict=True)
        found = [pooled(*each, mode == "CEIL") if each[3] < each[1] else 0 for each in axes]
        if tuple(found) == outs:
            return x, begin, {**fields, "pad": plain(begin, 0), "round_mode": mode}
    last = zip(sizes, kernel, stride, begin, outs, strict=True)
    end = [max(0, (out - 1) * step + width - beg - size) for size, width, step, beg, out in last]
    value = -MOST if pool == "MAX" else 0.0
    x = op.layer("Pad", x, part="pad", pad_beg=plain(begin, 0), pad_end=plain(end, 0), value=value)
    return x, (0,) * number, {**fields, "round_mode": "FLOOR"}


def max_pool(op: Op) -> Blob:
    """MaxPool; padding counts for nothing, so that windows may hang over on any side."""
    if op.uses(1):
        raise Lack("the places of its maxima are read")
    x = op.blob()
    outs = _windows(op, x)[-1]
    x, _, fields = _placed(op, x, "MAX")
    return op.expect(op.layer("Pooling", x, **fields), (*x.shape[:2], *outs))


def average_pool(op: Op) -> Blob:
    """AveragePool; where its windows are divided by other numbers than netspec's, a constant Scale says by which."""
    import numpy as np

    x = op.blob()
    kernel, stride, pads, outs = _windows(op, x)
    sizes, number, counted = x.shape[2:], len(kernel), bool(op.integer("count_include_pad", 0))
    op.net.room(outs, 32)
    bottom, pad, fields = _placed(op, x, "AVE")
    wanted: Array = np.ones((), np.float64)
    given: Array = np.ones((), np.float64)
    for axis in range(number):
        size, width, step, begin, end = sizes[axis], kernel[axis], stride[axis], pads[axis], pads[number + axis]
        start = np.arange(outs[axis]) * step
        low, high = (0, begin + size + end) if counted else (begin, begin + size)
        own = np.minimum(start + width, high) - np.maximum(start, low)
        ours = np.minimum(start + width, bottom.shape[2 + axis] + 2 * pad[axis]) - start
        wanted, given = np.multiply.outer(wanted, own), np.multiply.outer(given, ours)
    if (wanted <= 0).any():
        raise Lack("windows that lie in the padding alone")
    if np.array_equal(wanted, given):
        return op.expect(op.layer("Pooling", bottom, **fields), (*x.shape[:2], *outs))
    top = op.expect(op.layer("Pooling", bottom, part="sum", **fields), (*x.shape[:2], *outs))
    factors = (given / wanted).astype(np.float32)
    note = "The means count no padding: these factors are no weights, and stay as they are."
    return op.layer("Scale", top, axis=2, num_axes=number, param=FROZEN, weights=[factors], notes=[note])


def whole_planes(pool: str) -> Convert:
    """The conversion of a global pooling."""
    return lambda op: _whole(op, op.blob(), pool)


def _whole(op: Op, x: Blob, pool: str) -> Blob:
    spatial(x)
    return op.layer("Pooling", x, pool=pool, global_pooling=True)


def reduced(operation: str, square_root: bool = False) -> Convert:
    """The conversion of a sum over axes: a Reduction, behind a Permute where these are not the last ones.

    MAX is no sum, but a global Pooling or a FeaturePooling along each axis; MIN is the MAX of what is negative.
    """

    def convert(op: Op) -> Blob:
        x = op.blob()
        axes, kept = _reduced_axes(op, x)
        if not axes:
            return x
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
        short = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
        planes = axes == list(range(2, len(x.shape))) and len(x.shape) in (3, 4, 5)
        if operation in ("MAX", "MIN"):
            x = x if operation == "MAX" else op.layer("Power", x, part="negative", scale=-1)
            top = _whole(op, x, "MAX") if planes else _largest(op, x, axes)
            top = top if operation == "MAX" else op.layer("Power", top, part="least", scale=-1)
            return top if kept else reshaped(op, top, short, part="flat")
        if planes and operation == "MEAN":
            top = _whole(op, x, "AVE")
            return top if kept else reshaped(op, top, short, part="flat")
        if axes != list(range(axes[0], len(x.shape))):
            order = [axis for axis in range(len(x.shape)) if axis not in axes] + axes
            x = op.layer("Permute", x, part="turned", order=order)
        top = op.layer("Reduction", x, operation=operation, axis=len(x.shape) - len(axes))
        if square_root:
            top = op.layer("Power", top, part="root", power=0.5)
        return reshaped(op, top, shape if kept else short, part="axes")

    return convert


def _largest(op: Op, x: Blob, axes: list[int]) -> Blob:
    """The largest value along each of some axes, which stay with length 1."""
    for axis in axes:
        x = op.layer("FeaturePooling", x, part=f"axis{axis}", axis=axis, group_size=x.shape[axis])
    return x


def _reduced_axes(op: Op, x: Blob) -> tuple[list[int], bool]:
    """The axes that a Reduce takes together, and whether they stay with length 1. Raises Lack."""
    given = op.listed("axes", 1)
    if not given and op.integer("noop_with_empty_axes", 0):
        return [], True
    axes = sorted({axis_in(axis, len(x.shape)) for axis in given or range(len(x.shape))})
    if x.batch in axes and math.prod(x.shape[axis] for axis in axes) > 0:
        raise Lack(f"axes = {axes}, with the axis of the batch among them")
    return axes, bool(op.integer("keepdims", 1))


def arg_max(op: Op) -> Blob:
    """ArgMax along an axis. Of equal values netspec tells the last, and ONNX the first unless it is asked."""
    x = op.blob()
    axis = axis_in(op.integer("axis", 0), len(x.shape))
    last = op.integer("select_last_index", 0)
    notes = () if last else ("of equal values this tells the last one, and the model the first",)
    top = op.layer("ArgMax", x, axis=axis, notes=notes)
    top.whole = True
    return top if op.integer("keepdims", 1) else reshaped(op, top, x.shape[:axis] + x.shape[axis + 1 :], part="axes")


def top_k(op: Op) -> list[Blob | None]:
    """TopK along an axis: an ArgMax that gives values; which places equal values have is not told alike."""
    x = op.blob()
    if op.uses(1):
        raise Lack("the places of its values are read")
    if op.integer("largest", 1) != 1:
        raise Lack("largest = 0")
    number = int(op.array(1).reshape(-1)[0]) if op.has(1) else op.integer("k", 1)
    axis = axis_in(op.integer("axis", -1), len(x.shape))
    return [op.layer("ArgMax", x, axis=axis, top_k=number, out_max_val=True), None]


OPS: dict[str, Convert] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "ArgMax": arg_max,
    "TopK": top_k,
    "GlobalAveragePool": whole_planes("AVE"),
    "GlobalMaxPool": whole_planes("MAX"),
    **{f"Reduce{name}": reduced(name.upper()) for name in ("Mean", "Sum", "Max", "Min")},
    "ReduceL1": reduced("ASUM"),
    "ReduceSumSquare": reduced("SUMSQ"),
    "ReduceL2": reduced("SUMSQ", True),
}
