"""How losses of yes/no scores are weighed and added; x, target, dx: (M,). Formulas compute the losses themselves.

`partial`, `dtop` and `norm` are as in `kernels/loss.py`. A value weighs as much as its own weight, (M,), or 1 where
`weight` is (0,), times that of its channel of `pixels` values. A target is ignored when, cut to a whole number, it is
`ignore`.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Vector
from netspec.kernels.loss import is_label
from netspec.kernels.sums import dot_of, total_of


@helper
def run_of(i: int, last: int, pixels: int, class_weight: Doubles) -> tuple[int, float]:
    """The end of the values from i on, up to `last`, whose channel has one weight, and that weight."""
    if class_weight.size == 1:
        return last, class_weight[0]
    return min(last, (i // pixels + 1) * pixels), class_weight[i // pixels % class_weight.size]


@helper
def run_sums(each: Vector, target: Vector, weight: Vector, ignoring: int, ignore: int) -> tuple[float, float]:
    """The sum of a run's losses, times their weights, and of these weights; `weight` may be empty."""
    if not ignoring:
        return (dot_of(weight, each), total_of(weight)) if weight.size else (total_of(each), np.float64(each.size))
    total, valid = 0.0, 0.0
    for i in range(each.size):
        if not is_label(target[i], ignore):
            own = np.float64(weight[i]) if weight.size else 1.0
            total += own * each[i]
            valid += own
    return total, valid


@kernel
def weighted_sum(
    each: Vector,
    target: Vector,
    weight: Vector,
    class_weight: Doubles,
    partial: Doubles,
    pixels: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """The sum of the losses `each` (M,), and of the weights; class_weight: (C,), or (1,) for all channels."""
    total = 0.0
    valid = 0.0
    first, last = span(each.size, part, parts)
    while first < last:
        end, factor = run_of(first, last, pixels, class_weight)
        given = run_sums(each[first:end], target[first:end], weight[first:end], ignoring, ignore)
        total += factor * given[0]
        valid += factor * given[1]
        first = end
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@kernel
def weighted_scale(
    dx: Vector,
    target: Vector,
    weight: Vector,
    class_weight: Doubles,
    dtop: Vector,
    norm: Doubles,
    pixels: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx *= weight * dtop / norm; 0 where the target is ignored."""
    scale = dtop[0] / norm[0]
    first, last = span(dx.size, part, parts)
    while first < last:
        end, factor = run_of(first, last, pixels, class_weight)
        scale_run(dx[first:end], target[first:end], weight[first:end], factor * scale, ignoring, ignore)
        first = end


@helper
def scale_run(dx: Vector, target: Vector, weight: Vector, scale: float, ignoring: int, ignore: int) -> None:
    """dx *= weight * scale for a run; 0 where the target is ignored; `weight` may be empty."""
    if weight.size:
        for i in range(dx.size):
            dx[i] *= weight[i] * scale
    else:
        for i in range(dx.size):
            dx[i] *= scale
    if ignoring:
        for i in range(dx.size):
            if is_label(target[i], ignore):
                dx[i] = 0
