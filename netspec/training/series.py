"""The history of a run: the events of its folder as series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netspec.training.events import DebugInfo, Event, Finished
from netspec.training.figures import WHEN, figures
from netspec.training.history import History, Series
from netspec.training.runs import RunRecord


class _Point(NamedTuple):
    iteration: int
    epoch: float | None
    seconds: float
    value: float


def history(record: RunRecord, last: int | None = None) -> History:
    """The history of a run; `last` is the iteration at which its training was to end."""
    points: dict[str, list[_Point]] = {}
    for event in record.events:
        for name, value in _values(event):
            points.setdefault(name, []).append(_Point(event.iteration, event.epoch, event.elapsed, value))
    ends = [event for event in record.events if isinstance(event, Finished)]
    return History(
        {name: Series(name, *zip(*each, strict=True)) for name, each in points.items()},
        max((event.iteration for event in record.events), default=0),
        last,
        max((event.elapsed for event in record.events), default=0.0),
        sum(event.waited for event in ends),
        record.failure,
    )


def _values(event: Event) -> Iterator[tuple[str, float]]:
    """The quantities that an event records, by their names in a History."""
    own = {name: value for name, value in figures(event).items() if name not in WHEN}
    yield from ((name, value) for name, value in own.items() if value is not None)
    if isinstance(event, DebugInfo):
        yield from _debugged(event)


def _debugged(event: DebugInfo) -> Iterator[tuple[str, float]]:
    for top in event.tops:
        yield f"data/{top.layer}/{top.top}", top.data
        if top.diff is not None:
            yield f"diff/{top.layer}/{top.top}", top.diff
        if top.dead is not None:
            yield f"dead/{top.layer}", top.dead
    for param in event.params:
        if param.update is not None:
            yield f"update/{param.layer}.{param.param}", param.update
