"""Written trainings whose curves tests know: the records of runs that never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.training import events
from netspec.training.runs import RunRecord

JUDGED = {"metric": "test/accuracy", "mode": "max", "net": "tiny"}
NET: dict[str, Any] = {"name": "tiny", "layers": [{"name": "ip", "type": "InnerProduct", "num_output": 3}]}


def displayed(iteration: int, loss: float, **outputs: float) -> events.Display:
    """A progress line of every iteration of two samples of ten; each takes half a second."""
    when = {"epoch": iteration / 5, "elapsed": iteration / 2}
    return events.Display(iteration, loss, {"loss": loss, **outputs}, 0.1 / (1 + iteration), 2.0, 4.0, 0.0, **when)


def scored(iteration: int, feed: str = "test", **outputs: float) -> events.Tested:
    return events.Tested(iteration, outputs, 10, 0.1, feed=feed, epoch=iteration / 5, elapsed=iteration / 2)


def debugged(iteration: int, *updates: float | None, dead: float = 0.25, name: str = "ip") -> events.DebugInfo:
    tops = (events.TopInfo("relu", "ReLU", "y", 0.5, 0.1, dead),)
    params = tuple(events.ParamInfo(f"{name}{i}", "weight", 1.0, 0.1, 0.2, ratio) for i, ratio in enumerate(updates))
    when = {"epoch": iteration / 5, "elapsed": iteration / 2}
    return events.DebugInfo(iteration, tops, params, 1.0, 1.0, 1.0, 1.0, **when)


def record(name: str, *recorded: events.Event, **settings: Any) -> RunRecord:
    """A run of a name, with settings beside those of all."""
    end = events.Finished(9, None, 4.5, 0.0, elapsed=4.5)
    return RunRecord(Path(name), {"net": NET, "base_lr": 0.1} | settings, JUDGED, [*recorded, end], [])


COURSE: tuple[events.Event, ...] = (
    displayed(0, 4.0, accuracy=0.0),
    scored(0, loss=3.0, accuracy=0.1),
    displayed(1, 1.0, accuracy=0.5),
    debugged(1, 1e-3, 1e-2, None),
    displayed(2, 2.0, accuracy=0.5),
    scored(2, loss=1.0, accuracy=0.9),
    displayed(3, 0.5, accuracy=1.0),
    debugged(3, 1e-4, 1e-2, 1e-1),
    scored(4, loss=0.5, accuracy=0.8),
)
"""Two lines of a loss, a score of both feeds, three params, a ReLU."""
