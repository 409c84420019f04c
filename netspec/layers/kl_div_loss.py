"""KLDivLoss: the sum of t (ln t - x) over the batch size: the divergence of e^x from the distribution t.

Source: Kullback & Leibler 1951; PyTorch's KLDivLoss, whose `batchmean` this is.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.formula import Formula, Number
from netspec.core.shape import Shapes
from netspec.layers._pair_loss import PairLoss
from netspec.layers.base import Purpose


class KLDivLoss(PairLoss):
    """The Kullback-Leibler divergence of a distribution, given by its logarithms, from the true one.

    Bottom: logarithms of probabilities (N, ...); the true probabilities (N, ...), equally many, or their logarithms.
    Top: the loss, a scalar. To learn from soft labels with the softmax inside, SoftmaxWithLoss is the better layer.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, teacher], shape: [[4, 3], [4, 2]]}
- {name: truth, type: Softmax, bottom: teacher}
- {name: ip, type: InnerProduct, num_output: 2, bottom: data, weight_filler: xavier}
- {name: prob, type: Softmax}
- {name: log, type: Log}
- {name: loss, type: KLDivLoss, bottom: [log, truth], propagate_down: [true, false]}
"""

    log_target: bool = Field(False, description="Whether the second bottom holds logarithms of probabilities.")

    def task(self, bottoms: Shapes) -> None:
        """None that has a score of its own: distributions are only compared."""

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """By the kind of truth."""
        return (_value_of_log, _gradient_of_log) if self.log_target else (_value, _gradient)


def _value(x: Number, t: Number) -> Number:
    """0 where t is 0, NaN where it is NaN."""
    return (t * (t.where(t > 0, 1.0).log() - x)).where(t > 0, t * 0.0)


def _gradient(t: Number) -> Number:
    return -t


def _value_of_log(x: Number, t: Number) -> Number:
    return t.exp() * (t - x)


def _gradient_of_log(t: Number) -> Number:
    return -(t.exp())
