"""halving: base_lr * 2 ** -(iter // every)."""

from __future__ import annotations

from pydantic import Field

from netspec.training.policies.base import Policy


class Halving(Policy):
    """Half the rate, again and again."""

    every: int = Field(gt=0, description="Iterations between two halvings.")

    def rate(self, iter: int, base_lr: float, max_iter: int) -> float:
        """The rate of an iteration."""
        return float(base_lr * 2.0 ** -(iter // self.every))
