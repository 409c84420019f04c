"""Counts: lengths and intervals of a training, in iterations or in epochs.

Epoch k ends at iteration ceil(k * samples / (batch_size * iter_size)): where a batch spans two epochs, it belongs to
the one that it ends in.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from netspec.core.model import leaves

_EPOCHS = re.compile(r"([0-9]{1,9}) +epochs?")


class Pace(NamedTuple):
    """How iterations and epochs relate: samples of an epoch, None where there are no data, and of an iteration."""

    epoch: int | None
    iteration: int

    def end(self, epochs: int) -> int:
        """The iteration at which so many epochs are done. Raises ValueError without data."""
        if self.epoch is None:
            raise ValueError("without training data there are no epochs")
        return -(-epochs * self.epoch // self.iteration)

    def epochs(self, iteration: int) -> int:
        """The epochs that are done after so many iterations. Raises ValueError without data."""
        if self.epoch is None:
            raise ValueError("without training data there are no epochs")
        return iteration * self.iteration // self.epoch


class Count(NamedTuple):
    """A number of iterations, or of epochs."""

    value: int
    in_epochs: bool = False

    def __bool__(self) -> bool:
        return self.value > 0

    def __str__(self) -> str:
        return f"{self.value} epoch{'s' * (self.value != 1)}" if self.in_epochs else str(self.value)

    def plain(self) -> int | str:
        """What stands in a file: 500, or "5 epochs"."""
        return str(self) if self.in_epochs else self.value

    def iterations(self, pace: Pace, times: int = 1) -> int:
        """The iteration at which it is over for the n-th time, counted from iteration 0."""
        return pace.end(times * self.value) if self.in_epochs else times * self.value

    def times(self, iteration: int, pace: Pace) -> int:
        """How many times it is over after so many iterations."""
        return (pace.epochs(iteration) if self.in_epochs else iteration) // self.value

    def ends(self, iteration: int, pace: Pace) -> bool:
        """Whether it is over, for whichever time, just after so many iterations; also at iteration 0."""
        return iteration == 0 or self.times(iteration, pace) > self.times(iteration - 1, pace)

    def endings(self, first: int, last: int, pace: Pace) -> int:
        """At how many of the iterations from `first` to `last` it is over: those that `ends` says yes to."""
        begin = max(first, 1)
        # it is over at most once an iteration, however many short epochs an iteration holds
        later = min(self.times(last, pace) - self.times(begin - 1, pace), last - begin + 1) if last >= begin else 0
        return later + (first <= 0 <= last)


def _parsed(value: Any) -> Any:
    """A Count from what stands in a file: 500, or "5 epochs"."""
    if isinstance(value, Count):
        return value
    if isinstance(value, str) and (found := _EPOCHS.fullmatch(value)):
        value, in_epochs = int(found[1]), True
    elif type(value) is int:
        in_epochs = False
    else:
        raise PydanticCustomError("count", "iterations or epochs")
    return Count(value, in_epochs)


def _positive(value: Any) -> Any:
    count = _parsed(value)
    if count.value <= 0:
        raise PydanticKnownError("greater_than", {"gt": 0})
    return count


def _at_least_0(value: Any) -> Any:
    count = _parsed(value)
    if count.value < 0:
        raise PydanticKnownError("greater_than_equal", {"ge": 0})
    return count


def _switched(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    try:
        return _at_least_0(value)
    except PydanticCustomError:
        raise PydanticCustomError("switch", "true, false, iterations or epochs") from None


def _schema(least: int, *others: dict[str, str]) -> Any:
    epochs = {"type": "string", "pattern": r"^[0-9]{1,9} +epochs?$"}
    return WithJsonSchema({"anyOf": [*others, {"type": "integer", "minimum": least}, epochs]})


AnyCount = Annotated[Count, BeforeValidator(_at_least_0), PlainSerializer(Count.plain), _schema(0)]
"""A count that may be 0."""

PositiveCount = Annotated[Count, BeforeValidator(_positive), PlainSerializer(Count.plain), _schema(1)]
"""A count above 0."""

Switch = Annotated[
    bool | Count,
    BeforeValidator(_switched),
    PlainSerializer(lambda value: value.plain() if isinstance(value, Count) else value),
    _schema(0, {"type": "boolean"}),
]
"""On, off, or a count of its own that may be 0."""


def in_epochs(value: object) -> list[tuple[str | int, ...]]:
    """Where a value counts in epochs, at any depth: the positions of these counts."""
    return [path for path, leaf in leaves(value) if isinstance(leaf, Count) and leaf.in_epochs]
