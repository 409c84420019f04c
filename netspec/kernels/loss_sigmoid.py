"""How losses of yes/no scores are weighed and added; x, target, dx: (M,). Formulas compute the losses themselves.

`partial`, `dtop` and `norm` are as in `kernels/loss.py`. A value weighs as much as its own weight, (M,), or 1 where
`weight` is (0,), times that of its channel of `pixels` values. A target is ignored when, cut to a whole number, it is
`ignore`.
"""

from __future__ import annotations

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Vector
from netspec.kernels.loss import is_label


@helper
def weight_of(weight: Vector, class_weight: Doubles, pixels: int, i: int) -> float:
    """The weight of a value."""
    own: float = weight[i] if weight.size else 1.0
    channel = i // pixels % class_weight.size if class_weight.size > 1 else 0
    factor: float = class_weight[channel]
    return own * factor


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
    for i in range(*span(each.size, part, parts)):
        if ignoring and is_label(target[i], ignore):
            continue
        own = weight_of(weight, class_weight, pixels, i)
        total += own * each[i]
        valid += own
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
    for i in range(*span(dx.size, part, parts)):
        if ignoring and is_label(target[i], ignore):
            dx[i] = 0
        else:
            dx[i] *= weight_of(weight, class_weight, pixels, i) * scale
