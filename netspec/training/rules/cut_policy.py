"""CutPolicy: a training that ends before its policy or its warm-up does, or before its average begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.counts import Count
from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule, example


class CutPolicyWarning(Caution):
    """The training ends before the lr policy or the warm-up is over, or before the average of weights has begun."""

    code = "NS553"


def _solver(length: int) -> dict[str, Any]:
    policy = {"type": "one_cycle", "length": length}
    return example([{"name": "ip", "type": "InnerProduct", "num_output": 4}], lr_policy=policy, max_iter=1000)


class CutPolicy(Rule):
    """A length of the policy, of its first period, or of the warm-up, that is longer than the training; an average that
    begins after its end.
    """

    finding: ClassVar[type[NetspecError]] = CutPolicyWarning
    wrong: ClassVar[Example] = Example(_solver(1001))
    fine: ClassVar[Example] = Example(_solver(1000))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """A warning for each, placed at the length."""
        course = known.course
        if known.job is None or course is None:
            return
        spec = known.job.spec
        for name, value in (("lr_policy", spec.lr_policy), ("warmup", spec.warmup)):
            length = getattr(value, "length", None)
            if not isinstance(length, Count) or length.iterations(course.pace) <= course.end:
                continue
            whole = f"{length.iterations(course.pace):,} iterations"
            message = f"`{name}` takes {whole}, but the training ends after {course.end:,}"
            cut = (
                "the rate does not come down to its end"
                if name == "lr_policy"
                else "the rate never gets to its full height"
            )
            help = f"choose a shorter `length`; else {cut}"
            yield CutPolicyWarning(message, at=spec.place(name, "length"), help=help)
        begin = getattr(spec.average, "start", None)
        if isinstance(begin, Count) and (start := begin.iterations(course.pace)) >= course.end:
            message = f"`average` begins after {start:,} iterations, but the training ends after {course.end:,}"
            help = "choose an earlier `start`; else the averaged weights are the last ones"
            yield CutPolicyWarning(message, at=spec.place("average", "start"), help=help)
