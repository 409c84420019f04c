"""PoissonLoss: the sum of e^x - t x over the batch size, the negative log-likelihood of counts t at the rate e^x.

With `log_input: false` the score is the rate itself: x - t ln(x + eps). `full` adds Stirling's approximation of ln t!,
t ln t - t + ln(2 pi t) / 2, where t > 1: the loss changes, its gradient does not.
Source: PyTorch's PoissonNLLLoss, which is this with `normalization: FULL`.
"""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

from pydantic import Field

from netspec.core.formula import Formula, Number
from netspec.layers._pair_loss import PairLoss
from netspec.layers.base import Purpose


class PoissonLoss(PairLoss):
    """The negative log-likelihood of counts under a Poisson distribution.

    Bottom: the logarithms of the rates (N, ...), or the rates, which must be positive; the counts (N, ...), equally
    many. Top: the loss, a scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, counts], shape: [[4, 3], [4, 2]]}
- {name: ip, type: InnerProduct, num_output: 2, bottom: data, weight_filler: xavier}
- {name: loss, type: PoissonLoss, bottom: [ip, counts]}
"""

    log_input: bool = Field(True, description="Whether the scores are logarithms of rates, and not rates.")
    full: bool = Field(False, description="Whether to add the part that depends on the counts alone.")
    eps: float = Field(1e-8, gt=0, description="Added to a rate before its logarithm; for `log_input: false`.")

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]] | None:
        """Rates of their logarithms, where the scores are these."""
        return ("Exp", {}) if self.log_input else None

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """By the kind of scores, and whether the part of the counts is added."""
        if self.log_input:
            return (_full if self.full else _value), _gradient
        return (_full_of_rate if self.full else _value_of_rate), _gradient_of_rate


def _value(x: Number, t: Number) -> Number:
    return x.exp() - t * x


def _gradient(x: Number, t: Number) -> Number:
    return x.exp() - t


def _value_of_rate(x: Number, t: Number, eps: Number) -> Number:
    return x - t * (x + eps).log()


def _gradient_of_rate(x: Number, t: Number, eps: Number) -> Number:
    return 1.0 - t / (x + eps)


def _full(x: Number, t: Number) -> Number:
    return _value(x, t) + _stirling(t)


def _full_of_rate(x: Number, t: Number, eps: Number) -> Number:
    return _value_of_rate(x, t, eps) + _stirling(t)


def _stirling(t: Number) -> Number:
    """ln t!, nearly; 0 for t <= 1."""
    large = t.where(t > 1, 2.0)
    return (large * large.log() - large + (2.0 * pi * large).log() / 2.0).where(t > 1, 0.0)
