"""Score log: the recorded tests of a training, in order, and what follows from them.

The best test, the end of a training and the rate of a plateau are pure functions of this list. A log only grows, so
what followed from its first tests is kept, and only the tests since are read: asking costs the same after 10 tests and
after 10,000. The same holds for the text that a snapshot has of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar, TypeVarTuple

Test = tuple[int, Mapping[str, float]]
"""A test: its iteration, and its scores by FEED/blob. One on another feed lacks a score."""
Tests = Sequence[Test]

State = TypeVar("State", bound=Hashable)
Settings = TypeVarTuple("Settings")


class ScoreLog(list[Test]):
    """Tests in order, to which tests are appended and nothing else is done."""

    def __init__(self, tests: Tests = ()) -> None:
        super().__init__(tests)
        self.known: dict[Any, tuple[int, Any]] = {}
        """By step and settings: how many tests are read, and the state after them."""
        self.rows: list[str] = []
        """The first tests as JSON."""


def after(tests: Tests, begin: State, step: Callable[[State, Test, *Settings], State], *settings: *Settings) -> State:
    """The state after all tests: `step` takes a state, a test and the settings to the next state, and is pure.

    States cannot be changed in place. Another thread may ask at the same time.
    """
    known = tests.known if isinstance(tests, ScoreLog) else {}
    read, found = known.get((step, settings), (0, begin))
    state: State = found
    if new := tests[read:]:
        state = reduce(lambda state, test: step(state, test, *settings), new, state)
        known[step, settings] = read + len(new), state
    return state


def text(tests: Tests) -> str:
    """All tests as JSON; each of a log is turned into text once."""
    rows = tests.rows if isinstance(tests, ScoreLog) else []
    rows += [json.dumps(test, sort_keys=True) for test in tests[len(rows) :]]
    return f"[{', '.join(rows)}]"
