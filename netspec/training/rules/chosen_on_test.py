"""ChosenOnTest: weights or an end that are chosen by the test set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule, example


class ChosenOnTestWarning(Caution):
    """The best weights, or the end of a training, are chosen by the test set: its scores come out too good."""

    code = "NS557"


def _solver(*feeds: str) -> dict[str, Any]:
    source = {"type": "Arrays", "values": [[[0.5, -1.0, 2.0], [1.0, 3.0, -0.5]], [0, 3]]}
    data = {feed: {"source": source, "batch_size": 2} for feed in ("train", *feeds)}
    return example([{"name": "ip", "type": "InnerProduct", "num_output": 4}], data=data, test_interval=1, best={})


class ChosenOnTest(Rule):
    """`best` or `early_stop` that look at the test set, since there is no validation set."""

    finding: ClassVar[type[NetspecError]] = ChosenOnTestWarning
    wrong: ClassVar[Example] = Example(_solver("test"))
    fine: ClassVar[Example] = Example(_solver("validation", "test"))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """A warning, placed at what chooses."""
        if known.job is None:
            return
        spec, watch = known.job.spec, known.job.watch
        metrics = {"best": spec.best and watch.best, "early_stop": watch.stop and watch.stop.metric}
        keys = [key for key, metric in metrics.items() if metric and metric.feed == "test"]
        if keys:
            words = " and ".join(f"`{key}`" for key in keys)
            message = f"{words} choose{'s' * (len(keys) == 1)} by the test set, whose scores then come out too good"
            help = "keep some training samples for `data: {validation: ...}`, and say `validation/` in `metric`"
            yield ChosenOnTestWarning(message, at=spec.place(keys[0], key=True), help=help)
