"""History: what a training recorded, as a series of values for each quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Series:
    """The values of one quantity over a training, in the order of iterations; a value may be NaN or infinite.

    `epochs` are None where they are not known; `seconds` are those of training until then, over all resumes.
    """

    name: str
    iterations: tuple[int, ...]
    epochs: tuple[float | None, ...]
    seconds: tuple[float, ...]
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.values)

    def chosen(self, places: Sequence[int]) -> Series:
        """The series with the values at some places alone."""

        def kept(values: tuple[T, ...]) -> tuple[T, ...]:
            return tuple(values[place] for place in places)

        return Series(self.name, kept(self.iterations), kept(self.epochs), kept(self.seconds), kept(self.values))


@dataclass(frozen=True)
class History:
    """The series of a training by name, in the order in which they were first recorded.

    Of progress lines and tests the names of metrics.csv: `loss` (a mean over `average_loss` iterations), `rate`,
    `gradient` (its L2 norm before clipping), `speed` (samples a second), `train/BLOB` and `FEED/BLOB`. Of `debug_info`,
    for each layer and param: `update/LAYER.PARAM` (update-to-weight ratio), `dead/LAYER` (share of dead units),
    `data/LAYER/TOP` and `diff/LAYER/TOP` (means of absolute values).

    `iteration` is the last one that is recorded, `last` the one where the training was to end, None where that is not
    known. `seconds` are those of training, `waited` those spent waiting for data. `error` is how the training failed.
    """

    series: Mapping[str, Series] = field(default_factory=dict)
    iteration: int = 0
    last: int | None = None
    seconds: float = 0.0
    waited: float = 0.0
    error: str | None = None

    def under(self, head: str) -> dict[str, Series]:
        """The series whose names begin with `head/`, by the rest of their names."""
        return {name[len(head) + 1 :]: one for name, one in self.series.items() if name.startswith(f"{head}/")}
