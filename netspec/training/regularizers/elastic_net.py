"""Elastic net: L1 and L2 weight decay, each for a share of weight_decay.

The gradient gets decay * (share * sign(w) + (1 - share) * w), that of decay * (share * |w| + (1 - share) / 2 * w^2).
Source: Zou & Hastie 2005; the share is scikit-learn's l1_ratio.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.regularizers.base import Regularizer


class ElasticNet(Regularizer):
    """Adds a share of decay * sign(w), and the rest of decay * w, to the gradient."""

    share: Annotated[float, Aka("l1_ratio", "alpha")] = Field(
        0.5, ge=0, le=1, description="Share of `weight_decay` that is L1; the rest is L2."
    )

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(share * decay, the rest of decay)."""
        return self.share * decay, (1 - self.share) * decay
