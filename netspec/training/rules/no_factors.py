"""NoFactors: KFAC where no layer has Kronecker factors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule, example
from netspec.training.solvers.kfac import KFAC


class NoFactorsWarning(Caution):
    """KFAC finds no layer that it can give Kronecker factors, so that it is SGD with momentum."""

    code = "NS550"


def _solver(largest: int) -> dict[str, Any]:
    layer = {"name": "ip", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"}
    return example([layer], type="KFAC", max_factor=largest)


class NoFactors(Rule):
    """No InnerProduct or Convolution with a weight of its own, or all with factors larger than `max_factor`."""

    finding: ClassVar[type[NetspecError]] = NoFactorsWarning
    wrong: ClassVar[Example] = Example(_solver(3))
    fine: ClassVar[Example] = Example(_solver(4))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """A warning, placed at the solver's type."""
        net, rule = known.learner, known.job.spec.rule if known.job is not None else None
        if known.job is None or net is None or not isinstance(rule, KFAC) or rule.factored(net):
            return
        message = "KFAC has nothing to do: no InnerProduct or Convolution learns a weight of its own"
        message += f" with factors of up to {rule.max_factor:,} (`max_factor`)"
        help = "all params take steps of SGD with momentum; say `type: SGD`, or raise `max_factor`"
        yield NoFactorsWarning(message, at=known.job.spec.place("type"), help=help)
