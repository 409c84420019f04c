"""LostRate: a learning rate that falls to nothing long before the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import LEARNING, Example, Known, Rule

NOTHING = 1e-9
"""Part of base_lr below which a float32 weight hardly changes any more."""


class LostRateWarning(Caution):
    """The learning rate is as good as 0 for more than half of the iterations."""

    code = "NS531"


def _solver(gamma: float) -> dict[str, Any]:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip", "type": "InnerProduct", "num_output": 4},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    source = {"type": "Arrays", "values": [[[0.5, -1.0, 2.0], [1.0, 3.0, -0.5]], [0, 3]]}
    policy = {"type": "exp", "gamma": gamma}
    feed = {"source": source, "batch_size": 2}
    return {**LEARNING, "lr_policy": policy, "max_iter": 10_000, "net": {"layers": layers}, "data": {"train": feed}}


class LostRate(Rule):
    """A policy whose rate has fallen to a billionth of base_lr before half of the iterations are done."""

    finding: ClassVar[type[NetspecError]] = LostRateWarning
    wrong: ClassVar[Example] = Example(_solver(0.9))
    fine: ClassVar[Example] = Example(_solver(0.999))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """A warning, placed at the policy."""
        if known.job is None:
            return
        spec = known.job.spec
        last = spec.max_iter
        later = (last // 2, 3 * last // 4, last - 1)
        rates = [spec.lr_policy.rate(iteration, spec.base_lr, last) for iteration in later]
        if last < 4 or max(rates) > NOTHING * spec.base_lr:
            return
        when = f"at iteration {later[0]:,} of {last:,}"
        message = f"the learning rate is {rates[0]:.3g} {when}, and as good as nothing is learned from there"
        help = "choose a policy that falls more slowly, or fewer iterations"
        yield LostRateWarning(message, at=spec.place("lr_policy"), help=help)
