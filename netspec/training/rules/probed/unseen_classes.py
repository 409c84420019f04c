"""UnseenClasses: classes of a test that the training never shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import CLASSES, feed, own_class, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class UnseenClassesWarning(Caution):
    """A test has samples of classes without a training sample: the net never learns to answer with these."""

    code = "NS825"


LEAST = 50
"""Training labels that must be known: a class may be missing among fewer."""

SHARE = 0.01
"""Share of the samples of a test that may be of such classes."""

_TEST = range(100, 140)


class UnseenClasses(ProbeRule):
    """Classes with samples in a test and none in the training."""

    finding: ClassVar[type[NetspecError]] = UnseenClassesWarning
    wrong: ClassVar[Example] = Example(
        solver(train=feed(label=lambda sample: own_class(sample) % (CLASSES - 1)), test=feed(samples=_TEST))
    )
    fine: ClassVar[Example] = Example(solver(test=feed(samples=_TEST)))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each feed."""
        labels = probed.probe.data.labels
        own = {one.name: one for one in labels if one.feed == "train"}
        for one in labels:
            train = own.get(one.name)
            if one.feed == "train" or train is None or train.looked < LEAST:
                continue
            pairs = enumerate(zip(train.counts, one.counts, strict=False))
            unseen = [label for label, (trained, asked) in pairs if asked and not trained]
            asked = sum(one.counts[label] for label in unseen)
            if asked <= SHARE * one.looked:
                continue
            which = f"class {one.title(unseen[0])}" if len(unseen) == 1 else f"{len(unseen)} classes"
            text = f"{asked:,} of {one.looked:,} samples of '{one.feed}' are of {which} without a training sample"
            help = "are the sources sorted and cut by `limit`, or are the labels of one numbered otherwise?"
            yield UnseenClassesWarning(text, at=probed.at_feed("train", "source"), help=help)
