"""Shakeout: an InnerProduct whose inputs are enhanced or reversed at random while training.

With probability tau all weights w of an input become -c * sign(w), else (w + c * tau * sign(w)) / (1 - tau), so that
the mean is w. While testing the weight is w. Source: Kang, Li & Tao 2016, "Shakeout: a new regularized deep neural
network training scheme".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Run
from netspec.core.model import Aka
from netspec.layers._noisy_weight import NoisyWeight, clocked
from netspec.layers.base import Purpose
from netspec.lowering.channels import adds


class Shakeout(NoisyWeight):
    """Multiply with a learned matrix, of which the weights of random inputs are replaced while training.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: weight (M, K), or (K, M) with
    `transpose`; bias (M,). As in the paper, all weights of an input share a draw; here all samples of a batch do too.
    The sign has the gradient 0, where the paper's program has that of a smooth step. With `c` 0 it is dropout of the
    inputs.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[5, 4]]}
- {name: shake, type: Shakeout, num_output: 3, tau: 0.3, c: 0.2, weight_filler: xavier}
"""

    tau: Annotated[float, Aka("dropout_ratio", "p", "rate", "ratio")] = Field(
        0.5, ge=0, lt=1, description="Probability that an input is reversed."
    )
    c: Annotated[float, Aka("shakeout_scale", "constant")] = Field(
        0.1, ge=0, description="Size of the weights of an input that is reversed."
    )

    def draw(self, run: Run, weight: Any, noisy: Any) -> Call:
        """The weight, enhanced or reversed."""
        from netspec.kernels import weight_noise

        return Call(weight_noise.shake_weights, weight, noisy, *self._drawing(run), self.c, *self._steps)

    def draw_diff(self, run: Run, diff: Any, own: Any) -> Call:
        """The diff of enhanced weights."""
        from netspec.kernels import weight_noise

        return Call(weight_noise.drop_weights, diff, own, *self._drawing(run), *self._steps, adds(run, 0))

    def _drawing(self, run: Run) -> tuple[Any, ...]:
        return (*clocked(run), round(self.tau * 2**32), 1 / (1 - self.tau))

    @property
    def _steps(self) -> tuple[int, int]:
        """Steps of an input's number along rows and columns of the weight."""
        return (1, 0) if self.transpose else (0, 1)
