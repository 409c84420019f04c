"""Backward of Caffe's layers where they, or later layers, in place have overwritten what it reads.

Caffe has one array for all layers that work in place on a blob: backward of an earlier one reads what the last has left
there. Power and Log write their derivative over the diff that it should be multiplied by, when they work in place.

Source: Caffe net.cpp and the Backward_cpu of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from netspec.core.calls import Array

KEPT = frozenset({"ReLU", "ELU", "Sigmoid", "TanH", "Exp", "Swish", "Softmax"})
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


class Reading(NamedTuple):
    """What Caffe's backward of a layer reads: its bottoms and top as they are now, and the diff of its top.

    `before` is what its forward has read, `wanted` says which bottoms get a diff, and `shared` is the bottom that the
    layer works on in place, so that its diff is written over that of the top; -1 for none.
    """

    bottoms: Sequence[Array]
    top: Array
    diff: Array
    before: Sequence[Array]
    wanted: Sequence[bool]
    shared: int


def _softmax(layer: Any, read: Reading) -> list[Any]:
    y, dy = read.top, read.diff
    return [y * (dy - (y * dy).sum(layer.axis, keepdims=True))]


def _mvn(layer: Any, read: Reading) -> list[Any]:
    import numpy as np

    x, shape = read.before[0], read.before[0].shape
    rows, length, *_ = layer.cut(shape)
    x, y, dy = (each.reshape(rows, length).astype(np.float64) for each in (x, read.top, read.diff))

    def mean(values: Any) -> Any:
        return values.mean(1, keepdims=True)

    if not layer.normalize_variance:
        return [(dy - mean(dy)).reshape(shape)]
    own = y * length * mean(y * dy)
    dx = (own + length * mean(own)) * -2 / length if read.shared == 0 else dy - (own + length * mean(dy)) / length
    return [(dx / (np.sqrt(mean((x - mean(x)) ** 2)) + layer.eps)).reshape(shape)]


def _lrn(layer: Any, read: Reading) -> list[Any] | None:
    if layer.norm_region == "WITHIN_CHANNEL":
        return None
    x, scale = read.bottoms[0], _scale(layer, read.before[0])
    power = scale**-layer.beta
    dy = power if read.shared == 0 else read.diff
    first = power * dy
    dy = first if read.shared == 0 else dy
    factor = 2 * layer.alpha * layer.beta / layer.local_size
    return [first - factor * x * _window(dy * read.top / scale, layer)]


def _scale(layer: Any, x: Array) -> Any:
    return layer.k + layer.alpha / layer.local_size * _window(x * x, layer)


def _window(values: Any, layer: Any) -> Any:
    """The sum of the channels around each."""
    import numpy as np

    around = layer.local_size // 2
    wide = np.pad(values, [(around, around) if axis == 1 else (0, 0) for axis in range(values.ndim)])
    return sum(wide[:, i : i + values.shape[1]] for i in range(layer.local_size))


def _eltwise(layer: Any, read: Reading) -> list[Any] | None:
    import numpy as np

    product = layer.operation == "PROD"
    if read.shared < 0 and not (product and not layer.stable_prod_grad):
        return None
    largest = None
    if layer.operation == "MAX":  # what is in place is emptied first; of the first two, if equal, it is the second
        before = [x if slot != read.shared else np.full_like(x, -np.inf) for slot, x in enumerate(read.before)]
        largest = np.argmax(before, 0)
        largest[(largest == 0) & (before[0] == before[1])] = 1
    dy, found = read.diff, []
    for slot, (x, wanted) in enumerate(zip(read.bottoms, read.wanted, strict=True)):
        if product:
            others = [other for place, other in enumerate(read.bottoms) if place != slot]
            rate = np.prod(others, 0) if layer.stable_prod_grad else read.top / x
            dx = rate * (rate if slot == read.shared else dy)
        else:
            dx = dy * (layer.coeff[slot] if layer.coeff else 1) if largest is None else dy * (largest == slot)
        dy = dx if wanted and slot == read.shared else dy
        found.append(dx)
    return found


GRADIENTS: dict[str, Callable[[Any, Reading], list[Any] | None]] = {
    "Softmax": _softmax,
    "MVN": _mvn,
    "LRN": _lrn,
    "Eltwise": _eltwise,
}
"""By type, the diffs of all bottoms as Caffe computes them; None where the layer does not read what is overwritten."""


def _lrn_in_place(layer: Any, shared: int, bottoms: Sequence[Array]) -> Any | None:
    return _scale(layer, bottoms[0]) ** (-2 * layer.beta) if layer.norm_region == "ACROSS_CHANNELS" else None


def _eltwise_in_place(layer: Any, shared: int, bottoms: Sequence[Array]) -> Any | None:
    import numpy as np

    others = [x for slot, x in enumerate(bottoms) if slot != shared]
    if layer.operation == "PROD":
        return None
    if layer.operation == "MAX":
        return np.max(others, 0)
    total = np.zeros_like(bottoms[0])
    for slot, x in enumerate(bottoms):
        total += (layer.coeff[slot] if layer.coeff else 1) * (total if slot == shared else x)
    return total


IN_PLACE: dict[str, Callable[[Any, int, Sequence[Array]], Any]] = {"LRN": _lrn_in_place, "Eltwise": _eltwise_in_place}
"""By type, the top that Caffe's forward leaves where the layer works in place on a bottom, whose values it overwrites
before it reads them all: of (the layer, the number of that bottom, its bottoms). None where it is the usual one."""
