"""Events: what a training reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Display:
    """A progress line: mean loss of the last `average_loss` iterations, the net's outputs, the rate, samples a second, seconds left."""

    iteration: int
    loss: float
    outputs: dict[str, float]
    rate: float
    gradient: float
    speed: float
    left: float


@dataclass(frozen=True)
class Tested:
    """A test over `samples` samples: the mean of every output, weighted by samples."""

    iteration: int
    outputs: dict[str, float]
    samples: int
    seconds: float


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot was written."""

    iteration: int
    path: Path


@dataclass(frozen=True)
class Finished:
    """The end; `stopped` says what asked for it before the last iteration."""

    iteration: int
    stopped: str | None
    seconds: float
    waited: float


Event = Display | Tested | Snapshotted | Finished
