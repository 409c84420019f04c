"""UnlearntTest: training samples are learned, and on the test set the net is never better than a guess."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.layers.batch_norm import BatchNorm
from netspec.training.rules.base import Example
from netspec.training.rules.recorded import high_rate
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

LEARNED, USEFUL = 0.95, 0.97
"""Parts of the loss of a guess below which something of the training samples, and of others, is learned."""


class UnlearntTestWarning(Caution):
    """A net learns its training samples, and on other samples it is no better than a guess."""

    code = "NS843"


_FALLING = [1.4, 1.1, 0.9, 0.8, 0.75, 0.7, 0.68, 0.66, 0.65, 0.64]
_TEST = {
    "test": {"source": {"type": "Arrays", "values": [[[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]], [1, 2]]}, "batch_size": 2}
}
_TRAIN = {
    "train": {"source": {"type": "Arrays", "values": [[[0.5, 1.5, 2.5], [3.0, 1.0, 2.0]], [0, 3]]}, "batch_size": 2}
}
TESTED = {"data": _TRAIN | _TEST, "test_interval": 10}
"""Fields of a solver for examples: it tests on two samples."""


class UnlearntTest(HistoryRule):
    """A training loss well below that of a guess, beside a test loss that never was, and ended above it."""

    finding: ClassVar[type[NetspecError]] = UnlearntTestWarning
    wrong: ClassVar[Example] = recorded(
        {"loss": _FALLING, "test/loss": [1.4, *[1.4 + 0.1 * i for i in range(9)]]}, fields=TESTED
    )
    fine: ClassVar[Example] = recorded({"loss": _FALLING, "test/loss": [1.4, *[1.3, 1.2] * 4]}, fields=TESTED)

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with both losses, and the score beside them."""
        found = why(past)
        if found is None:
            return
        metric = past.job.watch.metric
        score = past.tested(metric.name.partition("/")[2]) if metric is not None else None
        help = "do the labels of both sets belong to their samples, and have both the same transforms?"
        if any(isinstance(node.layer, BatchNorm) for node in past.job.train.graph.nodes):
            help += " Statistics of BatchNorm lag behind weights that move fast: try a lower rate, or a longer training"
        if metric is not None and score is not None and score and "loss" not in metric.name:
            found += f", and {metric.name} {score.values[-1]:.3g}"
            if metric.higher and score.values[-1] < 0.5 * exp(-(past.known.guess or 0.0)):
                help = "fewer are right than by guessing: are the labels of one set shifted, or numbered differently?"
        yield UnlearntTestWarning(found, help=help)


def why(past: Past) -> str | None:
    """What shows that nothing that was learned holds for the test set; None where nothing does."""
    guess, level, tests = past.known.guess, past.level, past.test_loss
    if guess is None or level is None or tests is None or not tests or level > LEARNED * guess:
        return None
    if min(tests.values) < USEFUL * guess or tests.values[-1] < guess or high_rate.why(past):
        return None
    return (
        f"the training samples are learned, with a loss of {level:.4g}, but nothing that others have: {tests.name} "
        f"was never below the {guess:.4g} of guessing, and is {tests.values[-1]:.4g}"
    )
