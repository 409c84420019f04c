"""SharedSamples: test samples that are training samples too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class SharedSamplesWarning(Caution):
    """Samples of a test are also training samples: the net knows their answers, and the score is too good."""

    code = "NS810"


MANY = 0.005
"""Share of equal samples that pass: data sets have some duplicates, and a score rises by less than that through them.
"""

MOST = 0.5
"""The same for samples of few values, such as rows of a table that are rounded to tenths, as those of iris are."""

LONG = 64
"""Values of a sample that are hardly ever all equal by chance: the pixels of an 8x8 image."""


class SharedSamples(ProbeRule):
    """More than one in two hundred, or of samples of few values, which may be equal by chance, more than half."""

    finding: ClassVar[type[NetspecError]] = SharedSamplesWarning
    wrong: ClassVar[Example] = Example(solver(test=feed(samples=range(40, 80))))
    fine: ClassVar[Example] = Example(solver(test=feed(samples=range(100, 140))))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each feed."""
        for one in probed.probe.data.shared:
            if one.found < 2 or one.found <= (MANY if one.values >= LONG else MOST) * one.looked:
                continue
            text = f"{one.found:,} of {one.looked:,} samples of '{one.feed}' are also training samples, such as "
            text += f"{one.first[0]}: the score on them is too good"
            help = "take other samples, or split one source: `data.all: {source, split: {train: .8, test: .2}}`"
            yield SharedSamplesWarning(text, at=probed.at_feed(one.feed, "source"), help=help)
