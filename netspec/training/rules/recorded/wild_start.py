"""WildStart: a training that began far above the loss of a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.recorded import high_rate
from netspec.training.rules.recorded.at_chance import NEAR
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded


class WildStartWarning(Caution):
    """The first loss was far above that of a guess, and the training never got over it."""

    code = "NS850"


class WildStart(HistoryRule):
    """A first loss of more than three times that of a guess, and a training that grew, jumped, or learned nothing."""

    finding: ClassVar[type[NetspecError]] = WildStartWarning
    wrong: ClassVar[Example] = recorded({"loss": [230.0, *[4.0, 1.5] * 9]})
    fine: ClassVar[Example] = recorded({"loss": [230.0, *[4.0 * 0.7**i for i in range(18)]]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with both losses, and what came of it."""
        if not past.wild:
            return
        guess, level = past.known.guess or 0.0, past.level
        nothing = None if level is None or level < (1 - NEAR) * guess else "nothing was learned"
        found = high_rate.why(past) or nothing
        if found is None:
            return
        message = f"the first loss was {past.loss.values[0]:.4g}, and that of a guess is {guess:.4g}: {found}"
        help = (
            "inputs or weights are too large, which a lower rate would only hide: scale the inputs to about -1..1, and "
            "draw weights by msra or xavier; `netspec doctor SOLVER` says which it is"
        )
        yield WildStartWarning(message, help=help)
