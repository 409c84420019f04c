"""MixUp: y = m x_i + (1 - m) x_j of a sample and the one before it in the batch, and of their labels; m ~ Beta(a, a).

Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization". Here each sample draws its own m; others draw
one for a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from netspec.data.transforms.base_soft import Mix, beta

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw, Setting


class MixUp(Mix):
    """Mix each sample, and its label, with another of its batch, in TRAIN only; labels become soft.

    The net's Input takes labels (N, C), and its loss soft labels, like SoftmaxWithLoss.
    """

    alpha: float = Field(
        0.2, gt=0, le=1000, description="Small: samples stay nearly as they are; 1: all mixtures are equally likely."
    )

    def mixed(self, x: Array, other: Array, stays: Array, draw: Draw, setting: Setting) -> tuple[Array, Array]:
        """Weighted means of values, in the net's float type."""
        import numpy as np

        share = np.where(stays, 1.0, beta(draw, f"{setting.stream} share", self.alpha))
        m = share.astype(setting.real).reshape(-1, *[1] * (x.ndim - 1))
        return m * x.astype(setting.real) + (1 - m) * other.astype(setting.real), share
