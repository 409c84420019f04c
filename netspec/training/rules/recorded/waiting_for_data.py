"""WaitingForData: a training that spends much of its time waiting for batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

MUCH = 0.25
"""Share of the time from which waiting is worth a word: a third faster is what can be won."""
LEAST = 1.0
"""Seconds of waiting below which it is not: opening files takes as much."""
EACH = 0.003
"""Seconds that an iteration may wait: handing over a batch takes about as long, however it is stored."""


class WaitingForDataWarning(Caution):
    """A training waited for its data for much of the time."""

    code = "NS849"


class WaitingForData(HistoryRule):
    """A quarter of the seconds of a training or more, spent between batches."""

    finding: ClassVar[type[NetspecError]] = WaitingForDataWarning
    wrong: ClassVar[Example] = recorded({}, seconds=60.0, waited=24.0)
    fine: ClassVar[Example] = recorded({}, seconds=60.0, waited=3.0)

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with both times."""
        waited, seconds = past.history.waited, past.history.seconds
        if waited < max(LEAST, MUCH * seconds, EACH * past.history.iteration):
            return
        share = f"{100 * waited / seconds:.0f} % of the time"
        message = f"{share} went by in waiting for data: {waited:.1f} of {seconds:.1f} seconds"
        help = "store images at the size that the net takes, or as an array or LMDB, and leave out costly transforms"
        yield WaitingForDataWarning(message, help=help)
