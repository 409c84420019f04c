"""LostRate: a learning rate that falls to nothing long before the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule, example

NOTHING = 1e-9
"""Part of base_lr below which a float32 weight hardly changes any more."""


class LostRateWarning(Caution):
    """The learning rate is as good as 0 for more than half of the iterations."""

    code = "NS531"


def _solver(gamma: float) -> dict[str, Any]:
    policy = {"type": "exp", "gamma": gamma}
    return example([{"name": "ip", "type": "InnerProduct", "num_output": 4}], lr_policy=policy, max_iter=10_000)


class LostRate(Rule):
    """A policy whose rate has fallen to a billionth of base_lr before half of the iterations are done."""

    finding: ClassVar[type[NetspecError]] = LostRateWarning
    wrong: ClassVar[Example] = Example(_solver(0.9))
    fine: ClassVar[Example] = Example(_solver(0.999))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """A warning, placed at the policy."""
        course = known.course
        if known.job is None or course is None:
            return
        spec = known.job.spec
        last = course.end
        later = (last // 2, 3 * last // 4, last - 1)
        rates = [spec.rate(iteration, course) for iteration in later]
        if last < 4 or max(rates) > NOTHING * spec.base_lr:
            return
        when = f"at iteration {later[0]:,} of {last:,}"
        message = f"the learning rate is {rates[0]:.3g} {when}, and as good as nothing is learned from there"
        help = "choose a policy that falls more slowly, or fewer iterations"
        yield LostRateWarning(message, at=spec.place("lr_policy"), help=help)
