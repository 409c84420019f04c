"""The Call that takes a BatchNorm and a Scale behind a layer into copies of the layer's weight and bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.codegen.geometry import Affine, RunningSums
from netspec.core.calls import Call

if TYPE_CHECKING:
    from netspec.core.calls import Array


def fold(
    own: Sequence[Array],
    norm: Sequence[Array],
    eps: float,
    first: float,
    scale: Sequence[Array],
    folded: Sequence[Array],
) -> Call:
    """`folded`, a weight (K, ...) and a bias (K,), from a layer's own, with what lies behind the layer.

    `own`: its weight, and its bias where it has one. `norm`: the params of a BatchNorm that divides by the root of its
    variance plus `eps`, which is `first` before any batch; `scale`: those of a Scale; each may be empty.
    """
    from netspec.kernels import fold as loops

    weight, *bias = (param.reshape(-1) for param in own)
    none = weight[:0]
    running = RunningSums(*(*norm[:3], none, none, none)[:3])
    affine, factors = (Affine(*(*params, none, none)[:2]) for params in (norm[3:], scale))
    into = Affine(*(array.reshape(-1) for array in folded))
    return Call(loops.fold, weight, *(*bias, none)[:1], running, affine, factors, into, eps, first)
