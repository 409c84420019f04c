"""FewSamples: iterations of a solver type that searches along a line, on few of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule, example
from netspec.training.solvers.base_driving import DrivingRule

LEAST = 0.1
"""The share of the data that an iteration should see: the minimum of fewer along a line lies elsewhere."""


class FewSamplesWarning(Caution):
    """The batches of an iteration are too few for a solver type that goes to the minimum along a line."""

    code = "NS548"


def _solver(iter_size: int) -> dict[str, Any]:
    source = {"type": "Arrays", "values": [[[i, -i] for i in range(20)], [i % 4 for i in range(20)]]}
    feed = {"source": source, "batch_size": 1}
    layers: list[dict[str, Any]] = [{"name": "ip", "type": "InnerProduct", "num_output": 4}]
    return example(layers, (2,), data={"train": feed}, type="GradientDescent", iter_size=iter_size)


class FewSamples(Rule):
    """Less than a tenth of the data in an iteration of LBFGS, GradientDescent or Newton."""

    finding: ClassVar[type[NetspecError]] = FewSamplesWarning
    wrong: ClassVar[Example] = Example(_solver(1))
    fine: ClassVar[Example] = Example(_solver(2))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning."""
        job, feed = known.job, known.feeds.get("train")
        if job is None or feed is None or job.spec.data.train is None:
            return
        rule, batch = job.spec.rule, job.spec.data.train.batch_size
        samples, word = batch * job.spec.iter_size, type(rule).__name__
        if not isinstance(rule, DrivingRule) or samples >= LEAST * len(feed):
            return
        text = f"an iteration of {word} sees {samples:,} of {len(feed):,} samples: its line search fits these, not all"
        help = f"let an iteration cover all data, or much of them: `iter_size: {-(-len(feed) // batch)}`"
        yield FewSamplesWarning(text, at=job.spec.place("type"), help=help)
