"""Factors and constants of each channel, taken into the weight and the bias of the layer before them.

y = ((w x + b - mean) / sqrt(variance + eps) * weight + bias) * factor + constant is again a product and a bias.
Letters: K filters, M values of a filter.
"""

from __future__ import annotations

import math

from netspec.codegen.geometry import Affine, RunningSums
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector


@kernel
def fold(
    w: Vector,
    b: Vector,
    running: RunningSums,
    norm: Affine,
    scale: Affine,
    folded: Affine,
    eps: float,
    first: float,
    part: int,
    parts: int,
) -> None:
    """`folded`, a weight (K, M) and a bias (K,) = those of w (K, M), b (K,) with a BatchNorm and a Scale behind them.

    In float64, rounded at the end. `first` is the running variance before the first batch. Empty arrays stand for a
    bias of 0, no BatchNorm, factors of 1, constants of 0. A part owns filters.
    """
    size = w.size // folded.bias.size
    share = 0.0
    if running.scale.size and running.scale[0] != 0:
        share = 1.0 / running.scale[0]
    for k in range(*span(folded.bias.size, part, parts)):
        factor, constant = 1.0, float(b[k]) if b.size else 0.0
        if running.scale.size:
            variance = running.variance[k] * share if share != 0 else first
            factor = 1.0 / math.sqrt(variance + eps)
            constant = (constant - running.mean[k] * share) * factor
        for each in (norm, scale):
            if each.weight.size:
                factor *= each.weight[k]
                constant *= each.weight[k]
            if each.bias.size:
                constant += each.bias[k]
        folded.bias[k] = constant
        for i in range(k * size, (k + 1) * size):
            folded.weight[i] = w[i] * factor
