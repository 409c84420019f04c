"""L1 weight decay. Source: Caffe sgd_solver.cpp, Regularize."""

from __future__ import annotations

from netspec.training.regularizers.base import Regularizer


class L1(Regularizer):
    """Adds decay * sign(w) to the gradient."""

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(decay, 0)."""
        return decay, 0.0
