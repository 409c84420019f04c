"""AtChance: a training that ends with the loss of a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import part
from netspec.training.rules.base import Example
from netspec.training.rules.recorded import dying_units, high_rate, low_rate
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

NEAR = 0.03
"""Distance below the loss of a guess, as a part of it, that is no progress: to know how frequent each class is brings
as much where they are a little unequal.
"""
LEAST = 50
"""Iterations before which nothing is said: a net may need some tens to begin."""
STRONG = 0.02
"""A weight_decay below this may be meant, by a long training at a high rate."""
SAME = 1e-3
"""Distance of a first loss from that of a guess, as a part of it, where the scores are all but equal."""
SHRUNK = 3.0
"""Weights are pulled to 0 where decay alone would make them exp(3) = 20 times smaller over the training."""
VANISHED = 0.01
"""Part of the first gradient that is as good as none: where a loss stays high, a gradient that is alive stays as well.
"""


class AtChanceWarning(Caution):
    """A training has learned nothing: its loss is that of a guess, ln C for C classes."""

    code = "NS842"


class AtChance(HistoryRule):
    """A loss whose median over the last quarter is that of a guess, though the rate could have led away from it."""

    finding: ClassVar[type[NetspecError]] = AtChanceWarning
    wrong: ClassVar[Example] = recorded({"loss": [1.6, *[1.38, 1.39] * 9]})
    fine: ClassVar[Example] = recorded({"loss": [1.6, *[1.32, 1.33] * 9], "rate": [*[0.1] * 18, 0.001]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the likeliest reason."""
        guess, level = past.known.guess, past.level
        if guess is None or level is None or past.history.iteration < LEAST or level < (1 - NEAR) * guess:
            return
        if past.stuck or past.wild or dying_units.dead(past) or low_rate.why(past) or high_rate.why(past):
            return  # which is reason enough
        message = f"nothing was learned: after {past.history.iteration:,} iterations the loss is {level:.4g}, and "
        message += f"guessing gives {guess:.4g} (ln C)"
        yield AtChanceWarning(message, help=_decay(past) or _vanished(past) or _still(past) or _labels())


def _decay(past: Past) -> str | None:
    """Whether weight decay leaves no weights."""
    decay = past.job.spec.weight_decay
    pulled = past.history.iteration * past.rate * decay * (past.memory or 1.0)
    if pulled < SHRUNK or decay < STRONG:
        return None
    return f"weight_decay {decay:g} pulls all weights to 0 faster than the loss moves them: try weight_decay=0.0005"


def _vanished(past: Past) -> str | None:
    """Whether the gradient is gone."""
    gradients = past.history.series.get("gradient")
    last = part(gradients, 0.75, 1) if gradients is not None else []
    if gradients is None or not last or max(last) > VANISHED * gradients.values[0]:
        return None
    return (
        f"the gradient has gone from {gradients.values[0]:.3g} to {max(last):.3g}: units are dead or saturated; try "
        "lower rates and other fillers, and see debug_info"
    )


def _still(past: Past) -> str | None:
    """Whether the scores were equal from the beginning, so that they hardly depend on the inputs."""
    guess, first = past.known.guess, past.loss.values[0]
    if guess is None or abs(first - guess) > SAME * guess:
        return None
    return (
        "the loss was that from the first iteration on: do inputs or units pass nothing on? `netspec doctor SOLVER` "
        "looks at them, at the first weights and at the labels"
    )


def _labels() -> str:
    return (
        "do the labels belong to their samples, or were they shuffled apart? If they do, try base_lr a tenth and ten "
        "times as large; `netspec overfit` says whether a few samples can be learned at all"
    )
