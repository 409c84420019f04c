"""SortedLabels: samples that come class by class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import SAMPLES, feed, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class SortedLabelsWarning(Caution):
    """The training reads its samples class by class: each batch teaches one class, and the others are forgotten."""

    code = "NS804"


SORTED = 0.8
"""Share of the way from the repeats of chance to those of sorted labels: mixed data have 0, runs of five equal ones .8.
"""


def _by_class(sample: int) -> int:
    return 4 * sample // SAMPLES


class SortedLabels(ProbeRule):
    """Neighbours in the order of the training with equal labels far more often than by chance."""

    finding: ClassVar[type[NetspecError]] = SortedLabelsWarning
    wrong: ClassVar[Example] = Example(solver(train=feed(shuffle=False, label=_by_class)))
    fine: ClassVar[Example] = Example(solver(train=feed(label=_by_class)))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for the first output with labels."""
        probe, job = probed.probe, probed.job
        own = [one for one in probe.data.labels if one.feed == "train" and one.repeats is not None]
        seen = job.batch * job.spec.iter_size
        for one in own[:1] if probe.samples is not None and probe.samples > seen else ():
            assert one.repeats is not None
            if one.repeats - one.chance_repeats < SORTED * (1 - one.chance_repeats):
                continue
            text = f"the samples come class by class: {one.repeats:.1%} of the labels equal the one before, by chance "
            text += f"it would be {one.chance_repeats:.1%}"
            at = probed.at_feed("train", "shuffle")
            yield SortedLabelsWarning(text, at=at, help="leave out `shuffle: false`, or mix the samples in the files")
