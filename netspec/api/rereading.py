"""Backward of Caffe's element-wise layers where later layers in place have overwritten what it reads.

Caffe has one array for all layers that work in place on a blob: backward of an earlier one reads what the last has left
there. Power and Log write their derivative over the diff that it should be multiplied by, when they work in place.

Source: Caffe net.cpp and the Backward_cpu of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.core.calls import Array

KEPT = frozenset({"ReLU", "ELU", "Sigmoid", "TanH", "Exp", "Swish"})
"""Types whose derivative is right when they alone work in place: it is told from the top."""
OVERWRITING = frozenset({"Power", "Log"})
"""Types that lose the diff of their top when they work in place."""


def _relu(layer: Any, x: Array, y: Array, before: Array) -> Any:
    return (x > 0) + layer.negative_slope * (x <= 0)


def _elu(layer: Any, x: Array, y: Array, before: Array) -> Any:
    return (x > 0) + (layer.alpha + y) * (x <= 0)


def _bnll(layer: Any, x: Array, y: Array, before: Array) -> Any:
    import numpy as np

    power = np.exp(np.minimum(x, 50))
    return power / (power + 1)


def _swish(layer: Any, x: Array, y: Array, before: Array) -> Any:
    import numpy as np

    gate = 0.5 * np.tanh(0.5 * layer.beta * before) + 0.5
    return layer.beta * y + gate * (1 - layer.beta * y)


def _power(layer: Any, x: Array, y: Array, before: Array) -> Any:
    import numpy as np

    factor = layer.power * layer.scale
    if factor == 0 or layer.power == 1:
        return np.full_like(x, factor)
    inner = layer.scale * x + layer.shift
    return factor * inner if layer.power == 2 else factor * y / inner


def _log(layer: Any, x: Array, y: Array, before: Array) -> Any:
    return layer.scale / _base(layer) / (layer.scale * x + layer.shift)


def _base(layer: Any) -> float:
    return 1.0 if layer.base == -1 else math.log(layer.base)


DERIVATIVES: dict[str, Callable[[Any, Array, Array, Array], Any]] = {
    "ReLU": _relu,
    "ELU": _elu,
    "BNLL": _bnll,
    "Swish": _swish,
    "Power": _power,
    "Log": _log,
    "Sigmoid": lambda layer, x, y, before: y * (1 - y),
    "TanH": lambda layer, x, y, before: 1 - y * y,
    "Exp": lambda layer, x, y, before: y * _base(layer) * layer.scale,
    "Clip": lambda layer, x, y, before: (x >= layer.min) & (x <= layer.max),
}
"""By type, the derivative that Caffe takes: of (the layer, data of its bottom and of its top as they are now, data that
its forward has read)."""
