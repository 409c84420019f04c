"""A layer that is measured alone, and what it is measured against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


class Case(NamedTuple):
    """A layer with its bottoms' shapes, and a peer: PyTorch's function, or NumPy's where PyTorch has no such layer.

    PyTorch's takes (bottoms, params) to the top; NumPy's takes the bottoms and computes forward and all gradients.
    Bottoms are standard normal, and labels any of the classes, unless `given` holds other values by place.
    """

    layer: dict[str, Any]
    shapes: list[list[int]]
    torch: Callable[[list[Tensor], list[Tensor]], Tensor] | None = None
    numpy: Callable[..., object] | None = None
    given: Mapping[int, Array] = {}
