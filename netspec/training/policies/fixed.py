"""fixed: always base_lr. Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from netspec.training.policies.base import Policy


class Fixed(Policy):
    """The base rate throughout."""

    def rate(self, iter: int, base_lr: float, max_iter: int) -> float:
        """base_lr."""
        return base_lr
