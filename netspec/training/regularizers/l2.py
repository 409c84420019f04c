"""L2 weight decay. Source: Caffe sgd_solver.cpp, Regularize."""

from __future__ import annotations

from netspec.training.regularizers.base import Regularizer


class L2(Regularizer):
    """Adds decay * w to the gradient."""

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(0, decay)."""
        return 0.0, decay
