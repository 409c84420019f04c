"""What `netspec trace` finds: every number of a small net with the arithmetic that gives it. Values, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.errors import SpecError
from netspec.core.worked import short


class TooLargeError(SpecError):
    """A net has more values than a reader can follow."""

    code = "NS875"


class NoNumbersError(SpecError):
    """A net waits for inputs that nothing brings."""

    code = "NS876"


class NotByGradientError(SpecError):
    """The solver type takes no step that follows from one gradient, so no step can be shown."""

    code = "NS877"


@dataclass(frozen=True)
class Line:
    """One number: its name, its index, its arithmetic and its value. Without arithmetic it is given or unexplained."""

    name: str
    at: tuple[int, ...]
    words: str
    value: float

    @property
    def label(self) -> str:
        """The name with the index."""
        return f"{self.name}[{','.join(map(str, self.at))}]" if self.at else self.name

    @property
    def arithmetic(self) -> str:
        """The words, unless they are just the value."""
        return "" if self.words == short(self.value) else self.words


@dataclass(frozen=True)
class Group:
    """The numbers that one layer computes, or that belong to one blob or param."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Batch:
    """One batch: what the layers compute from it, first layer first, and the gradients, last layer first."""

    forward: tuple[Group, ...]
    backward: tuple[Group, ...]


@dataclass(frozen=True)
class Iteration:
    """One iteration: its batches, and what the solver makes of the params; nothing where there is no solver."""

    batches: tuple[Batch, ...]
    updates: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A net computed in front of a reader: the params that it begins with, and the iterations."""

    net: str
    solver: str | None
    params: tuple[Group, ...]
    iterations: tuple[Iteration, ...]
