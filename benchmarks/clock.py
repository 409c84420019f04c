"""Timing of rivals that take turns in one process, so that a neighbour on a shared machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

TURN = 0.25
"""Seconds that a turn lasts at least, unless one step is longer."""
PAUSE = 0.05
"""Seconds between turns: idle threads of the last one stop spinning (ONNX Runtime's spin for .04)."""
FEWEST, MOST = 3, 25
"""Fewest and most rounds, where their number is not given."""
Step = Callable[[], float | None]
"""One step of a rival; where it ran in another process, it returns the milliseconds that it took there."""


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
    rivals: Mapping[str, Step], seconds: float, rounds: int | None = None, fewest: int = FEWEST
) -> dict[str, Times]:
    """The times of rivals that take turns, after a warm-up: `rounds` rounds, or as many as fit in `seconds`."""
    for run in rivals.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    until, done = time.monotonic() + seconds, 0
    while done < rounds if rounds else done < fewest or (done < MOST and time.monotonic() < until):
        for name, run in rivals.items():
            times[name] += _turn(run)
        done += 1
    return {name: Times(tuple(steps)) for name, steps in times.items()}


def _turn(run: Step) -> list[float]:
    """Milliseconds of each step of a turn; short steps have one before them that warms the caches."""
    time.sleep(PAUSE)
    first = milliseconds(run)
    steps = [] if first < 500 * TURN else [first]
    until = time.monotonic() + TURN
    while not steps or time.monotonic() < until:
        steps.append(milliseconds(run))
    return steps


def milliseconds(run: Callable[[], object]) -> float:
    """Duration of one call in milliseconds: what it returns, if that is a number of its own clock."""
    begun = time.perf_counter()
    took = run()
    return took if isinstance(took, float) else 1000 * (time.perf_counter() - begun)


Typical = Callable[[Sequence[float]], float]
"""The statistic of many times: their median, or their minimum."""


def figures(times: Mapping[str, Times], batch: int, flops: int, peak: float, typical: Typical) -> dict[str, Any]:
    """Figures of a race of netspec and its peers: times, ratios, rates. `peak` is in GFLOP/s."""
    chosen = {name: typical(of.steps) for name, of in times.items()}
    fastest = {name: min(of.steps) for name, of in times.items()}
    peers = [name for name in times if name != "netspec"]
    mine, best = chosen["netspec"], min(chosen[peer] for peer in peers)
    rate = flops / mine / 1e6
    return {
        "batch": batch,
        **chosen,
        **{f"over_{peer}": chosen[peer] / mine for peer in peers},
        "images": 1000 * batch / mine,
        "over_best": best / mine,
        "fastest": fastest,
        "over_best_fastest": min(fastest[peer] for peer in peers) / fastest["netspec"],
        "gflops": rate,
        "share": rate / peak,
        "best_gflops": flops / best / 1e6,
        "flops": flops,
        "steps": len(times["netspec"].steps),
        "quartiles": {name: of.quartiles for name, of in times.items()},
    }


PEERS = {"eager": "torch", "channels_last": "ch. last", "keras": "Keras", "onnx": "ONNX Runtime"}
"""The peers, and how tables call them."""


def missed(found: Mapping[str, Any], wanted: Mapping[str, float]) -> str:
    """The peers beside which less than the speed wanted was reached; a peer that was not raced is not missed."""
    return ", ".join(name for peer, name in PEERS.items() if found.get(f"over_{peer}", inf) < wanted.get(peer, 0.0))
