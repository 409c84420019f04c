"""StalledLoss: a loss that begins as that of a guess, and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import FIRST, Example, Known, Rule, example

NEAR = 0.01
"""Distance from the loss of a guess, as a part of it, that is no progress: it is about the noise of a mean of fifty
losses.
"""


class StalledLossWarning(Caution):
    """After the first iterations the loss is still that of a guess: ln C for C classes."""

    code = "NS505"


_SOLVER = example([{"name": "ip", "type": "InnerProduct", "num_output": 4}])


class StalledLoss(Rule):
    """A first loss of ln C, and a mean of the later half of the first 100 that has not left it."""

    finding: ClassVar[type[NetspecError]] = StalledLossWarning
    wrong: ClassVar[Example] = Example(_SOLVER, (1.3863, *[1.39, 1.38] * 49, 1.385))
    fine: ClassVar[Example] = Example(_SOLVER, (1.3863, *[1.39] * 49, *[1.30, 1.25] * 25))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning, when the losses of the first iterations are known."""
        guess, losses = known.guess, known.losses
        if guess is None or len(losses) < FIRST:
            return
        later = losses[FIRST // 2 :]
        if max(abs(losses[0] - guess), abs(sum(later) / len(later) - guess)) > NEAR * abs(guess):
            return
        message = f"after {FIRST} iterations the loss is still {guess:.4g}, which is that of guessing (ln C)"
        help = "if it stays there: do all weights begin at 0, is base_lr too small or too large, do the labels fit?"
        yield StalledLossWarning(message, help=help)
