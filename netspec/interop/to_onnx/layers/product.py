"""Layers that multiply with learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from netspec.core.shape import Shape, Window, axis_of, count
from netspec.interop.to_onnx.writing import Tops, Writer, fixed, times, writes
from netspec.layers.convolution import Convolution
from netspec.layers.deconvolution import Deconvolution
from netspec.layers.drop_connect import DropConnect
from netspec.layers.im2col import Im2col
from netspec.layers.inner_product import InnerProduct
from netspec.layers.locally_connected import LocallyConnected
from netspec.layers.maxout import Maxout
from netspec.layers.shakeout import Shakeout
from netspec.layers.whiteout import Whiteout


def pads(size: Sequence[int], windows: Sequence[Window], number: Sequence[int]) -> list[int]:
    """The pads attribute: zeros before all axes, then behind them, so that each has its number of windows.

    `size` are the lengths of the axes, `number` the windows along each. There are fewer zeros behind than before where
    the last window does not reach them, and more where it reaches farther.
    """
    ends = []
    for length, window, many in zip(size, windows, number, strict=True):
        extent = window.dilation * (window.kernel - 1) + 1
        ends.append(max(0, (many - 1) * window.stride + extent - length - window.pad))
    return [*(window.pad for window in windows), *ends]


def measures(windows: Sequence[Window]) -> dict[str, list[int]]:
    """The attributes of windows, but for the padding."""
    return {
        "kernel_shape": [window.kernel for window in windows],
        "strides": [window.stride for window in windows],
        "dilations": [window.dilation for window in windows],
    }


@writes(Convolution)
def convolution(to: Writer[Convolution]) -> Tops:
    """Conv for each pair of a bottom and a top."""
    layer, x = to.layer, to.shape
    windows, (_, _, spatial) = layer.windows(x), layer.cut(x)
    around = pads(spatial, windows, layer.spatial(x))
    usual = [window.pad for window in windows] * 2
    if all(own <= more for own, more in zip(around, usual, strict=True)):
        around = usual
    return _filtered(to, "Conv", windows, around)


@writes(Deconvolution)
def deconvolution(to: Writer[Deconvolution]) -> Tops:
    """ConvTranspose for each pair of a bottom and a top."""
    windows = to.layer.windows(to.shape)
    return _filtered(to, "ConvTranspose", windows, [window.pad for window in windows] * 2)


def _filtered(
    to: Writer[Convolution] | Writer[Deconvolution], kind: str, windows: Sequence[Window], around: list[int]
) -> Tops:
    """Conv or ConvTranspose; axes before the channels become one, and a bottom without spatial axes gets one."""
    layer = to.layer
    axis = axis_of(layer.axis, to.shape)
    if windows:
        params = [to.param(slot) for slot in range(len(to.params))]
        how = measures(windows) | {"pads": around}
    else:
        params = [to.changed(0, to.params[0][..., None]), *(to.param(slot) for slot in range(1, len(to.params)))]
        how = {"kernel_shape": [1]}
    tops = []
    for slot, x in enumerate(to.bottom):
        plain = axis == 1 and bool(windows)
        if not plain:
            sizes = to.sizes(slot)
            x = to.reshape(x, (times(sizes[:axis]), *sizes[axis:], *(1,) * (not windows)))
        y = to.op(kind, x, *params, group=layer.group, **how)
        tops.append(y if plain else to.to_top(y, slot))
    return tuple(tops)


@writes(InnerProduct, DropConnect, Shakeout, Whiteout)
def inner_product(to: Writer[InnerProduct]) -> Tops:
    """Gemm, with what is summed over flattened; MatMul where several axes stand before a single one of these."""
    y = _multiplied(to)
    return to.to_top(y) if _flat(to) and len(to.tops[0]) != 2 else y


@writes(Maxout)
def maxout(to: Writer[Maxout]) -> Tops:
    """All pieces as one product, then the greatest piece."""
    y, layer = _multiplied(to), to.layer
    rows = to.top_sizes()[:-1]
    pieces = to.reshape(y, (times(rows), layer.pieces, layer.num_output))
    return to.to_top(to.op("ReduceMax", pieces, axes=[1], keepdims=0))


def _flat(to: Writer[InnerProduct] | Writer[Maxout]) -> bool:
    """Whether the product is that of matrices, and not of the last axis as it is."""
    axis = axis_of(to.layer.axis, to.shape)
    return not (axis == to.rank - 1 and axis > 1)


def _multiplied(to: Writer[InnerProduct] | Writer[Maxout]) -> str:
    """The product and the bias: of a matrix, (rows, outputs), or with all axes before the last one."""
    axis = axis_of(to.layer.axis, to.shape)
    fixed(to.sizes()[axis:])
    if not _flat(to):
        weight = to.params[0] if to.layer.transpose else to.params[0].T
        y = to.op("MatMul", to.x, to.changed(0, weight))
        return to.op("Add", y, to.param(1)) if len(to.params) > 1 else y
    x = to.x if (to.rank, axis) == (2, 1) else to.op("Flatten", to.x, axis=axis)
    params = [to.param(slot) for slot in range(len(to.params))]
    return to.op("Gemm", x, *params, transB=int(not to.layer.transpose))


@writes(Im2col)
def im2col(to: Writer[Im2col]) -> Tops:
    """Conv with filters that each pick one tap of one channel."""
    axis = axis_of(to.layer.axis, to.shape)
    return to.to_top(_columns(to, axis))


@writes(LocallyConnected)
def locally_connected(to: Writer[LocallyConnected]) -> Tops:
    """Im2col, then an Einsum over the taps of each place."""
    layer, axis = to.layer, axis_of(to.layer.axis, to.shape)
    places, weight = count(layer.convolved(to.shape)), to.params[0]
    taps = count(weight.shape[1:])
    columns = to.reshape(_columns(to, axis), (times(to.sizes()[:axis]), taps, places))
    filters = to.changed(0, weight.reshape(layer.num_output, places, taps))
    y = to.op("Einsum", columns, filters, equation="ntp,kpt->nkp")
    if len(to.params) > 1:
        y = to.op("Add", y, to.changed(1, to.params[1].reshape(layer.num_output, places)))
    return to.to_top(y)


def _columns(to: Writer[Im2col] | Writer[LocallyConnected], axis: int) -> str:
    """Windows as channels: (rows, C * taps, places along each axis)."""
    layer = to.layer
    windows, sizes, x = layer.windows(to.shape), to.sizes(), to.x
    c, spatial = to.shape[axis], to.shape[axis + 1 :]
    if axis != 1 or not windows:
        x = to.reshape(x, (times(sizes[:axis]), *sizes[axis:], *(1,) * (not windows)))
    taps = prod(window.kernel for window in windows)
    picks = np.tile(np.eye(taps, dtype=np.float32), (c, 1)).reshape(c * taps, 1, *_kernels(windows))
    around: Shape = tuple(pads(spatial, windows, layer.convolved(to.shape))) or (0, 0)
    how = measures(windows) if windows else {"kernel_shape": [1]}
    return to.op("Conv", x, to.constant(picks, "taps"), group=c, pads=list(around), **how)


def _kernels(windows: Sequence[Window]) -> Shape:
    return tuple(window.kernel for window in windows) or (1,)
