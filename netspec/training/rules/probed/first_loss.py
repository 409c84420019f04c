"""FirstLoss: a loss that begins far above that of a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class FirstLossWarning(Caution):
    """The loss of the first batches is far larger than that of a guess: the net is sure of wrong answers."""

    code = "NS800"


class FirstLoss(ProbeRule):
    """A first loss of more than three times that of a guess; unscaled inputs and wide weights say why by themselves."""

    finding: ClassVar[type[NetspecError]] = FirstLossWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(solver(train=feed(lambda sample, feature: 60 * value(sample, feature))))
    fine: ClassVar[Example] = Example(solver(train=feed(lambda sample, feature: 2 * value(sample, feature))))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for the sum of all losses."""
        probe = probed.probe
        if not probe.exploded or probe.data.unscaled or probe.wide:
            return
        text = (
            f"the first loss is {probe.loss:.4g}, and that of a guess {probe.guess:.4g}: the scores begin far too large"
        )
        largest = max(probe.blobs, key=lambda blob: blob.largest, default=None)
        where = f"the largest value is {largest.largest:.3g}, in blob '{largest.top}'; " if largest else ""
        help = f"{where}scale the inputs or targets to about -1..1, or draw smaller weights"
        yield FirstLossWarning(text, help=help)
