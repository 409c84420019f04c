"""Max-norm: after every update, weights of an output unit that are longer than `limit` are shortened to it.

The weights of an output unit are what lies behind an index of the first axis: a row of InnerProduct's weight, a filter
of a Convolution. (The first axis of a Deconvolution's weight, and of a transposed InnerProduct's, counts inputs, and
Embed's counts words.) Params of a single axis, like biases, have no units, and are let be.

`weight_decay` is the strength of an L2 decay beside it, 0 by default. Source: Srivastava et al. 2014, section 5.1.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.calls import Call, Calls, Update
from netspec.core.model import Aka
from netspec.training.regularizers.base import Regularizer


class MaxNorm(Regularizer):
    """Shortens each output unit's weights to a largest L2 norm; `weight_decay` is L2 beside it."""

    limit: Annotated[float, Aka("max_value", "c", "max_norm")] = Field(
        3.0, gt=0, description="Largest L2 norm of the weights of an output unit."
    )

    def coefficients(self, decay: float) -> tuple[float, float]:
        """(0, decay)."""
        return 0.0, decay

    def after(self, run: Update, decay: float) -> Calls:
        """A Call that shortens the rows of the weight."""
        from netspec.kernels import regularize

        if run.weight.ndim > 1:
            yield Call(regularize.project, run.weight.reshape(len(run.weight), -1), run.gate, self.limit)
