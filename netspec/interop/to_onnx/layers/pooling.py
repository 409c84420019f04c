"""Layers that take one value of each window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.core.shape import Shape, Window, axis_of, count
from netspec.interop.to_onnx.layers.product import measures, pads
from netspec.interop.to_onnx.writing import NotWritable, Tops, Writer, writes
from netspec.layers.adaptive_pooling import AdaptivePooling
from netspec.layers.feature_pooling import FeaturePooling
from netspec.layers.pooling import Pooling
from netspec.layers.spp import SPP
from netspec.layers.unpooling import Unpooling


@writes(Pooling)
def pooling(to: Writer[Pooling]) -> Tops:
    """MaxPool, AveragePool or LpPool with explicit padding; Global... where the window is the plane."""
    layer, windows, planes = to.layer, to.layer.windows(to.shape), to.tops[0][2:]
    if layer.global_pooling and layer.pool in {"MAX", "AVE"} and len(to.tops) == 1:
        return to.op("GlobalMaxPool" if layer.pool == "MAX" else "GlobalAveragePool", to.x)
    if layer.pool == "MAX" and len(to.tops) == 2:
        return _with_places(to, windows)
    if layer.pool == "STOCHASTIC":
        return _expected(to, windows)
    return _pooled(to, layer.pool, windows, planes)


def _pooled(to: Writer[Pooling] | Writer[SPP], kind: str, windows: Sequence[Window], planes: Shape) -> str:
    """MAX, AVE or L2 over windows, `planes` the number of them along each axis."""
    around = pads(to.shape[2:], windows, planes)
    how = measures(windows) | {"pads": around}
    if kind == "MAX":
        return to.op("MaxPool", to.x, **how)
    del how["dilations"]  # AveragePool has them from operator set 19 on, LpPool from 18 on
    if kind == "L2":
        return to.op("LpPool", to.x, p=2, **how)
    kernel = [window.kernel for window in windows]
    if any(end >= size for end, size in zip(around[len(windows) :], kernel, strict=True)):
        x = to.op("Pad", to.x, to.ints(_everywhere(around), "pads"))
        y = to.op("AveragePool", x, **how | {"pads": [0] * len(around)})
    else:
        y = to.op("AveragePool", to.x, count_include_pad=1, **how)
    areas = _areas(to.shape[2:], windows, planes)
    return y if (areas == 1).all() else to.op("Mul", y, to.constant(areas, "areas"))


def _everywhere(around: Sequence[int]) -> list[int]:
    """Pads of spatial axes as pads of all axes."""
    half = len(around) // 2
    return [0, 0, *around[:half], 0, 0, *around[half:]]


def _areas(sizes: Shape, windows: Sequence[Window], planes: Shape) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Values of a window over those that its sum is divided by: what hangs over beyond the padding does not count."""
    result = np.ones(())
    for size, window, many in zip(sizes, windows, planes, strict=True):
        starts = np.arange(many) * window.stride - window.pad
        lengths = np.minimum(starts + window.kernel, size + window.pad) - starts
        result = result[..., None] * (window.kernel / lengths)
    return result


def _with_places(to: Writer[Pooling], windows: Sequence[Window]) -> Tops:
    """MaxPool with its indices, which count through all planes, as places of one plane."""
    how = measures(windows) | {"pads": pads(to.shape[2:], windows, to.tops[0][2:])}
    y, index = to.ops("MaxPool", 2, to.x, **how)
    place = to.op("Mod", index, to.ints(count(to.shape[2:]), "plane"))
    return y, to.op("Cast", place, to=1)


def _expected(to: Writer[Pooling], windows: Sequence[Window]) -> str:
    """The mean of x^2 over that of x, or 0 where that is not above 0."""
    how = measures(windows) | {"pads": pads(to.shape[2:], windows, to.tops[0][2:])}
    del how["dilations"]
    total = to.op("AveragePool", to.x, count_include_pad=1, **how)
    squares = to.op("AveragePool", to.op("Mul", to.x, to.x), count_include_pad=1, **how)
    zero = to.constant(0.0, "zero")
    above = to.op("Greater", total, zero)
    divisor = to.op("Where", above, total, to.constant(1.0, "one"))
    return to.op("Where", above, to.op("Div", squares, divisor), zero)


@writes(SPP)
def spp(to: Writer[SPP]) -> Tops:
    """A pooling for each level, flattened and joined."""
    levels = []
    for level in range(to.layer.pyramid_height):
        bins = 2**level
        kernels = [-(-size // bins) for size in to.shape[2:]]
        windows = [Window(k, k, (k * bins - size + 1) // 2) for k, size in zip(kernels, to.shape[2:], strict=True)]
        levels.append(_pooled(to, to.layer.pool, windows, (bins, bins)))
    if len(levels) == 1:
        return levels[0]
    return to.op("Concat", *(to.op("Flatten", value, axis=1) for value in levels), axis=1)


@writes(AdaptivePooling)
def adaptive_pooling(to: Writer[AdaptivePooling]) -> Tops:
    """A pooling where the windows are equal; else ReduceMean or ReduceMax of each window, axis by axis."""
    if len(to.tops) > 1:
        raise NotWritable("ONNX has no places of maxima in windows of several sizes")
    maximum = to.layer.pool == "MAX"
    planes = to.tops[0][2:]
    if set(planes) == {1}:
        return to.op("GlobalMaxPool" if maximum else "GlobalAveragePool", to.x)
    pairs = list(zip(to.shape[2:], planes, strict=True))
    if all(size % many == 0 for size, many in pairs):
        steps = [size // many for size, many in pairs]
        return to.op("MaxPool" if maximum else "AveragePool", to.x, kernel_shape=steps, strides=steps)
    y = to.x
    for axis, (size, many) in enumerate(pairs, 2):
        ends = [(i * size // many, -(-(i + 1) * size // many)) for i in range(many)]
        cuts = [
            to.op("Slice", y, to.ints([first], "start"), to.ints([last], "end"), to.ints([axis]))
            for first, last in ends
        ]
        kind = "ReduceMax" if maximum else "ReduceMean"
        y = to.op("Concat", *(to.op(kind, cut, axes=[axis], keepdims=1) for cut in cuts), axis=axis)
    return y


@writes(FeaturePooling)
def feature_pooling(to: Writer[FeaturePooling]) -> Tops:
    """The channels of a group on an axis of their own, reduced."""
    layer, axis = to.layer, axis_of(to.layer.axis, to.shape)
    sizes = to.top_sizes()
    groups = to.reshape(to.x, (*sizes[: axis + 1], layer.group_size, *sizes[axis + 1 :]))
    kind = {"MAX": "ReduceMax", "AVE": "ReduceMean", "L2": "ReduceL2"}[layer.pool]
    return to.op(kind, groups, axes=[axis + 1], keepdims=0)


@writes(Unpooling)
def unpooling(to: Writer[Unpooling]) -> Tops:
    """ScatterElements into planes of zeros, which adds what goes to one place."""
    plane, values = count(to.tops[0][2:]), count(to.shape[2:])
    x, places = (to.reshape(value, (to.samples, to.shape[1], values)) for value in to.bottom[:2])
    rows = to.op("Slice", to.op("Shape", x), to.ints([0], "start"), to.ints([2], "end"), to.ints([0]))
    shape = to.op("Concat", rows, to.ints([plane], "plane"), axis=0)
    zeros = to.op("Expand", to.constant(0.0, "zero"), shape)
    index = to.op("Cast", places, to=7)
    return to.to_top(to.op("ScatterElements", zeros, index, x, axis=2, reduction="add"))
