"""NoisyLoss: a loss that jumps, of batches of a few samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import counted
from netspec.training.rules.base import Example
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

SMALL = 8
"""Samples of an iteration up to which a batch is small: from 32 on, which is usual, the help would be of no use."""
LARGE = 0.2
"""Noise of a loss, as a part of the loss at the beginning, that hides how the training goes: only five times as much is
there to fall.
"""


class NoisyLossWarning(Caution):
    """The loss jumps so much from iteration to iteration that its batches are too small for the rate."""

    code = "NS847"


class NoisyLoss(HistoryRule):
    """Jumps of a fifth of the loss at the beginning or more, with a handful of samples an iteration."""

    finding: ClassVar[type[NetspecError]] = NoisyLossWarning
    wrong: ClassVar[Example] = recorded({"loss": [1.4, *[0.5, 1.2, 0.2, 0.9, 0.1] * 4]})
    fine: ClassVar[Example] = recorded({"loss": [1.4, *[0.5, 0.6, 0.4, 0.5, 0.3] * 4]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the size of the jumps and of the batches."""
        samples = past.job.batch * past.job.spec.iter_size
        if past.start is None or past.level is None or samples > SMALL or past.noise < LARGE * past.start:
            return
        if past.level > past.start or past.small_norms:
            return
        message = (
            f"the loss jumps by {past.noise:.2g} from line to line, at a level of {past.level:.2g}: an iteration has "
            f"{counted(samples, 'sample')}"
        )
        help = f"a larger batch_size, iter_size={32 // samples} or a lower rate make steps steadier"
        yield NoisyLossWarning(message, help=help)
