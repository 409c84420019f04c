"""Timing of rivals that take turns in one process, so that a neighbour on a shared machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TURN = 0.25
"""Seconds that a turn lasts at least, unless one step is longer."""
PAUSE = 0.01
"""Seconds between turns: idle OpenMP threads of the last one stop spinning."""
FEWEST, MOST = 3, 25
"""Fewest and most rounds, where their number is not given."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of every step of one rival, over all rounds."""

    steps: tuple[float, ...]

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile of the steps."""
        if len(self.steps) < 2:
            return self.steps[0], self.steps[0]
        low, _, high = statistics.quantiles(self.steps, n=4, method="inclusive")
        return low, high


def alternate(
    rivals: Mapping[str, Callable[[], object]], seconds: float, rounds: int | None = None
) -> dict[str, Times]:
    """The times of rivals that take turns, after a warm-up: `rounds` rounds, or as many as fit in `seconds`."""
    for run in rivals.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    until, done = time.monotonic() + seconds, 0
    while done < rounds if rounds else done < FEWEST or (done < MOST and time.monotonic() < until):
        for name, run in rivals.items():
            times[name] += _turn(run)
        done += 1
    return {name: Times(tuple(steps)) for name, steps in times.items()}


def _turn(run: Callable[[], object]) -> list[float]:
    """Milliseconds of each step of a turn; short steps have one before them that warms the caches."""
    time.sleep(PAUSE)
    first = milliseconds(run)
    steps = [] if first < 500 * TURN else [first]
    until = time.monotonic() + TURN
    while not steps or time.monotonic() < until:
        steps.append(milliseconds(run))
    return steps


def milliseconds(run: Callable[[], object]) -> float:
    """Duration of one call in milliseconds."""
    begun = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begun)


Typical = Callable[[Sequence[float]], float]
"""The statistic of many times: their median, or their minimum."""


def figures(times: Mapping[str, Times], batch: int, flops: int, peak: float, typical: Typical) -> dict[str, Any]:
    """Figures of a race of netspec, eager and channels_last: times, ratios, rates. `peak` is in GFLOP/s."""
    chosen = {name: typical(of.steps) for name, of in times.items()}
    mine, best = chosen["netspec"], min(chosen["eager"], chosen["channels_last"])
    rate = flops / mine / 1e6
    return {
        "batch": batch,
        **chosen,
        "images": 1000 * batch / mine,
        "over_eager": chosen["eager"] / mine,
        "over_channels_last": chosen["channels_last"] / mine,
        "over_best": best / mine,
        "fastest": {name: min(of.steps) for name, of in times.items()},
        "over_best_fastest": min(min(times[peer].steps) for peer in ("eager", "channels_last"))
        / min(times["netspec"].steps),
        "gflops": rate,
        "share": rate / peak,
        "best_gflops": flops / best / 1e6,
        "flops": flops,
        "steps": len(times["netspec"].steps),
        "quartiles": {name: of.quartiles for name, of in times.items()},
    }
