"""OneClass: labels that are nearly all of one class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class OneClassWarning(Caution):
    """Nearly all training samples are of one class: a net that always answers it looks good, and knows nothing."""

    code = "NS811"


MOST = 0.9
"""Share of a class that is still usual: above it, always answering that class is wrong less than once in ten times."""

LEAST = 50
"""Labels that must be known: of fewer, such a share may be chance."""


class OneClass(ProbeRule):
    """More than nine in ten labels of one class."""

    finding: ClassVar[type[NetspecError]] = OneClassWarning
    wrong: ClassVar[Example] = Example(
        solver(train=feed(label=lambda sample: 0 if sample % 20 else 1 + sample // 20 % 3))
    )
    fine: ClassVar[Example] = Example(solver(train=feed(label=lambda sample: 0 if sample % 5 else 1 + sample // 5 % 3)))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each output with labels."""
        for one in probed.probe.data.labels:
            most = max(one.counts, default=0)
            if one.feed != "train" or len(one.counts) < 2 or one.looked < LEAST or most <= MOST * one.looked:
                continue
            share, title = most / one.looked, one.title(one.counts.index(most))
            if most == one.looked:
                text = f"all {one.looked:,} labels are of class {title}: there is nothing to learn"
            else:
                text = f"{share:.1%} of the labels are of class {title}, so a net that always answers it scores as much"
            help = "`balance: classes` draws all classes equally often; or `class_weights` in the loss"
            spec = probed.job.spec.data.train
            if spec is None or spec.balance is None:
                yield OneClassWarning(text, at=probed.at_feed("train", "source"), help=help)
