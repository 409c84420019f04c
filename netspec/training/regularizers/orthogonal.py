"""Soft orthogonality: the penalty decay * |W W^T - I|^2, with W the weights of output units as rows, (K, M).

Its gradient is 4 * decay * (W W^T - I) W. Where K > M, rows cannot all be orthogonal; but W (W^T W - I) is the same
gradient, that of the columns' penalty, and is computed in its place. Units are what lies behind an index of the first
axis; params of a single axis, like biases, are let be. Source: Bansal, Chen & Wang 2018, equation 1, without its L2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.calls import Call, Calls, Update
from netspec.training.regularizers.base import Regularizer

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Orthogonal(Regularizer):
    """Pulls the weights of output units, the rows of W, towards being orthogonal, each of norm 1.

    `weight_decay` is the factor of the penalty |W W^T - I|^2.
    """

    def before(self, run: Update, decay: float) -> Calls:
        """Calls that form the Gram matrix of the shorter side, and add its product with the weight."""
        import numpy as np

        from netspec.codegen.geometry import ADD
        from netspec.kernels import regularize
        from netspec.lowering import products

        if run.weight.ndim < 2 or not decay:
            return
        w, diff = (array.reshape(len(array), -1) for array in (run.weight, run.diff))
        units, values = w.shape
        side, nothing = min(w.shape), np.zeros(0, w.dtype)
        gram = _room((side, side), w)
        if units <= values:
            turning = products.turning(units, values, units, "backward")
            spaces = {name: _room(space.shape, w) for name, space in turning.items()}
            turned, product = spaces.get("turned"), spaces.get("product")
            yield from products.multiply_transposed(w, w, nothing, gram, 0, turned, product)
        else:
            yield from products.multiply_columns(w, w, gram, np.zeros(0), 0)
        yield Call(regularize.off_identity, gram, 4 * decay)
        left, right = (gram, w) if units <= values else (w, gram)
        yield from products.multiply_rows(left, right, nothing, diff, ADD)


def _room(shape: tuple[int, ...], like: Array) -> Array:
    """Memory for a matrix, on cache lines of its own."""
    from netspec.engine.weights import allocate

    _, (array,) = allocate((shape,), like.dtype.name)
    return array
