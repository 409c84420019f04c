"""Layers that normalise, and those that multiply with and add learned numbers."""

from __future__ import annotations

import numpy as np

from netspec.codegen.geometry import CENTRE, DEVIATION, LENGTH
from netspec.core.shape import count
from netspec.interop.to_onnx.writing import Tops, Writer, over_last, writes
from netspec.layers.batch_norm import BatchNorm
from netspec.layers.bias import Bias
from netspec.layers.group_norm import GroupNorm
from netspec.layers.instance_norm import InstanceNorm
from netspec.layers.l2_normalize import L2Normalize
from netspec.layers.layer_norm import LayerNorm
from netspec.layers.lrn import LRN
from netspec.layers.mvn import MVN
from netspec.layers.rms_norm import RMSNorm
from netspec.layers.scale import Scale


@writes(BatchNorm)
def batch_norm(to: Writer[BatchNorm]) -> Tops:
    """BatchNormalization with the running mean and variance; reductions where those of the batch count."""
    layer = to.layer
    x = to.x if to.rank > 1 else to.reshape(to.x, (*to.sizes(), 1))
    if not layer.running("TEST"):
        return _by_batch(to, x)
    mean, variance, scale = to.params[:3]
    if scale[0] == 0:
        mean, variance = np.zeros_like(mean), np.full_like(variance, layer.first_variance)
    else:
        mean, variance = mean / scale[0], variance / scale[0]
    weight, bias = (to.param(3), to.param(4)) if layer.affine else _plain(to, mean.size)
    stored = (to.changed(0, mean), to.changed(1, variance))
    momentum = layer.moving_average_fraction  # of no use while testing, but kept for who reads the file
    y = to.op("BatchNormalization", x, weight, bias, *stored, epsilon=layer.eps, momentum=momentum)
    return y if to.rank > 1 else to.to_top(y)


def _by_batch(to: Writer[BatchNorm], x: str) -> str:
    """With the mean and variance of the batch."""
    axes = [axis for axis in range(max(2, to.rank)) if axis != 1]
    apart = to.op("Sub", x, to.op("ReduceMean", x, axes=axes))
    variance = to.op("ReduceMean", to.op("Mul", apart, apart), axes=axes)
    y = to.op("Div", apart, to.op("Sqrt", to.op("Add", variance, to.constant(to.layer.eps, "eps"))))
    if to.layer.affine:
        y = _affine(to, y, 3, 4, max(0, to.rank - 2))
    return y if to.rank > 1 else to.to_top(y)


def _plain(to: Writer[BatchNorm] | Writer[GroupNorm] | Writer[InstanceNorm], channels: int) -> tuple[str, str]:
    """Factors of 1 and constants of 0."""
    return to.constant(np.ones(channels), "ones"), to.constant(np.zeros(channels), "zeros")


def _affine(
    to: Writer[BatchNorm] | Writer[GroupNorm] | Writer[InstanceNorm], x: str, weight: int, bias: int, behind: int
) -> str:
    """A value times a param, plus another, one number for each channel."""
    factor, constant = (to.changed(slot, over_last(to.params[slot], behind)) for slot in (weight, bias))
    return to.op("Add", to.op("Mul", x, factor), constant)


@writes(Scale)
def scale(to: Writer[Scale]) -> Tops:
    """Mul, and Add with a bias."""
    layer = to.layer
    first, shape = layer.stands(to.bottoms)
    behind = to.rank - first - len(shape)
    if layer.learned:
        y = to.op("Mul", to.x, to.changed(0, over_last(to.params[0], behind)))
    else:
        y = to.op("Mul", to.x, _under(to, behind))
    if layer.bias_term:
        y = to.op("Add", y, to.changed(len(to.params) - 1, over_last(to.params[-1], behind)))
    return y


@writes(Bias)
def bias(to: Writer[Bias]) -> Tops:
    """Add."""
    first, shape = to.layer.stands(to.bottoms)
    behind = to.rank - first - len(shape)
    if to.layer.learned:
        return to.op("Add", to.x, to.changed(0, over_last(to.params[0], behind)))
    return to.op("Add", to.x, _under(to, behind))


def _under(to: Writer[Scale] | Writer[Bias], behind: int) -> str:
    """The second bottom, with axes of length 1 behind its own."""
    if not behind or not to.bottoms[1]:
        return to.bottom[1]
    own = len(to.bottoms[1])
    return to.op("Unsqueeze", to.bottom[1], to.ints(range(own, own + behind)))


@writes(LRN)
def lrn(to: Writer[LRN]) -> Tops:
    """LRN among channels; within a channel AveragePool of the squares, and a power."""
    layer = to.layer
    if layer.norm_region == "ACROSS_CHANNELS":
        how = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
        return to.op("LRN", to.x, size=layer.local_size, **how)
    n, half = layer.local_size, layer.local_size // 2
    squares = to.op("Mul", to.x, to.x)
    mean = to.op("AveragePool", squares, kernel_shape=[n, n], pads=[half] * 4, count_include_pad=1)
    size = to.op("Add", to.op("Mul", mean, to.constant(layer.alpha, "alpha")), to.constant(1.0, "one"))
    return to.op("Mul", to.x, to.op("Pow", size, to.constant(-layer.beta, "power")))


@writes(LayerNorm)
def layer_norm(to: Writer[LayerNorm]) -> Tops:
    """LayerNormalization."""
    axis = to.axis(to.layer.axis)
    if to.layer.affine:
        params: tuple[str, ...] = (to.param(0), to.param(1))
    else:
        params = (to.constant(np.ones(to.shape[axis:]), "ones"),)
    return to.op("LayerNormalization", to.x, *params, axis=axis, epsilon=to.layer.eps)


@writes(InstanceNorm)
def instance_norm(to: Writer[InstanceNorm]) -> Tops:
    """InstanceNormalization."""
    x = to.x if to.rank > 2 else to.reshape(to.x, (*to.sizes(), 1))
    params = (to.param(0), to.param(1)) if to.layer.affine else _plain(to, to.shape[1])
    y = to.op("InstanceNormalization", x, *params, epsilon=to.layer.eps)
    return y if to.rank > 2 else to.to_top(y)


@writes(GroupNorm)
def group_norm(to: Writer[GroupNorm]) -> Tops:
    """InstanceNormalization with the groups as channels, then factors and constants of each channel."""
    group = to.layer.group
    rows = to.reshape(to.x, (to.samples, group, count(to.shape[1:]) // group))
    y = to.to_top(to.op("InstanceNormalization", rows, *_plain(to, group), epsilon=to.layer.eps))
    return _affine(to, y, 0, 1, to.rank - 2) if to.layer.affine else y


@writes(MVN)
def mvn(to: Writer[MVN]) -> Tops:
    """As of any rows; a row of one value becomes 0. Axes of 1 that the top has behind those of the bottom are added."""
    y = by_rows(to) if to.layer.cut(to.shape).axes else to.op("Sub", to.x, to.x)
    return to.to_top(y) if to.layer.four_axes and to.rank < 4 else y


@writes(RMSNorm, L2Normalize)
def rows(to: Writer[RMSNorm | L2Normalize]) -> Tops:
    """As of any rows."""
    return by_rows(to)


def by_rows(to: Writer[MVN] | Writer[RMSNorm | L2Normalize]) -> str:
    """The mean and the deviation, or the length, of each row by reductions."""
    layer = to.layer
    rule, axes = layer.rule, list(layer.cut(to.shape).axes)
    x = to.op("Sub", to.x, to.op("ReduceMean", to.x, axes=axes)) if rule.centred else to.x
    if rule.divisor == CENTRE:
        return x
    eps = to.constant(rule.eps, "eps")
    if rule.divisor == LENGTH:
        below = to.op("Max", to.op("ReduceL2", x, axes=axes), eps)
    else:
        squares = to.op("ReduceMean", to.op("Mul", x, x), axes=axes)
        inside = squares if rule.divisor == DEVIATION else to.op("Add", squares, eps)
        below = to.op("Sqrt", inside)
        below = to.op("Add", below, eps) if rule.divisor == DEVIATION else below
    y = to.op("Div", x, below)
    behind = to.rank - 1 - axes[-1]
    return to.op("Mul", y, to.changed(0, over_last(to.params[0], behind))) if to.params else y
