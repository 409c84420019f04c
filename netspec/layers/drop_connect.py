"""DropConnect: an InnerProduct with w * m / (1 - p) for its weight w, each m = 1 with probability 1 - p, else 0.

While testing the weight is w. Source: Wan et al. 2013, "Regularization of neural networks using DropConnect".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Run
from netspec.core.model import Aka
from netspec.layers._noisy_weight import NoisyWeight, clocked
from netspec.layers.base import Purpose
from netspec.lowering.channels import adds


class DropConnect(NoisyWeight):
    """Multiply with a learned matrix of which random weights are 0 while training.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: weight (M, K), or (K, M) with
    `transpose`; bias (M,). The weights are drawn at each iteration, for the whole batch. The paper draws them for each
    sample, drops biases too, and tests with samples of a normal distribution instead of the mean.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[5, 4]]}
- {name: drop, type: DropConnect, num_output: 3, dropout_ratio: 0.4, weight_filler: xavier}
"""

    dropout_ratio: Annotated[float, Aka("dropout", "p", "rate", "ratio", "drop_ratio", "drop_prob")] = Field(
        0.5, ge=0, lt=1, description="Probability p that a weight becomes 0."
    )

    def draw(self, run: Run, weight: Any, noisy: Any) -> Call:
        """The weight under its mask."""
        return self._masked(run, weight, noisy, 0)

    def draw_diff(self, run: Run, diff: Any, own: Any) -> Call:
        """The diff under the same mask."""
        return self._masked(run, diff, own, adds(run, 0))

    def _masked(self, run: Run, x: Any, y: Any, add: int) -> Call:
        from netspec.kernels import weight_noise

        drawn = (*clocked(run), round(self.dropout_ratio * 2**32), 1 / (1 - self.dropout_ratio))
        return Call(weight_noise.drop_weights, x, y, *drawn, x.shape[1], 1, add)
