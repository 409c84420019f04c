"""The history that Caffe keeps of params of `lr_mult: 0`, which stand still: that of their weight decay alone.

Their gradient is the same g = l2 * w + l1 * sign(w) in each iteration, so the sums have a closed form.
Source: Caffe sgd_solver.cpp and its relatives, ComputeUpdateValue.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.core.calls import Array

_NEGLIGIBLE = 1e-12


def history_of_frozen(rule: Any, slot: str, g: Array, iterations: int) -> Array:
    """What a slot of a solver type holds after so many iterations with the gradient g and a rate of 0."""
    import numpy as np

    name, square = type(rule).__name__, np.square(g)
    if name == "AdaGrad":
        return iterations * square
    if name == "RMSProp":
        return square * (1 - float(rule.rms_decay) ** iterations)
    if name == "Adam":
        value, stays = (g, rule.momentum) if slot == rule.slots[0] else (square, rule.momentum2)
        return value * (1 - float(stays) ** iterations)
    if name == "AdaDelta":
        return _adadelta(rule, square, iterations)[rule.slots.index(slot)]
    return np.zeros_like(g)


def _adadelta(rule: Any, square: Array, iterations: int) -> tuple[Array, Array]:
    """The mean squares of gradients and of updates; the second by a recurrence, until the first stands still."""
    import numpy as np

    stays, delta = float(rule.momentum), float(rule.delta)
    moving = min(iterations, math.ceil(math.log(_NEGLIGIBLE) / math.log(stays)) if stays else 1)
    updates = np.zeros_like(square)
    for number in range(1, moving + 1):
        gradients = (1 - stays**number) * square
        factor = stays + (1 - stays) * square / (delta + gradients)
        updates = factor * updates + (factor - stays) * delta
    if iterations > moving:
        limit = (factor - stays) * delta / (1 - factor)
        updates = limit + factor ** (iterations - moving) * (updates - limit)
    return (1 - stays**iterations) * square, updates
