"""Figures: the numbers of an event, each by a name of its own; metrics.csv and TensorBoard show them.

An output of the net is called FEED/OUTPUT, like `train/loss` or `test/accuracy`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from math import isfinite, prod
from pathlib import Path

from netspec.net.shaped import ShapedGraph
from netspec.training.container import write_whole
from netspec.training.events import Display, Event, Tested
from netspec.training.lines import Lines
from netspec.training.scores import scores
from netspec.training.tester import labelled

STEP = "iteration"
COMMON = (STEP, "epoch", "loss", "rate", "gradient")
CLOCK = ("elapsed", "speed")
"""Figures that differ from run to run."""
WHEN = (STEP, "epoch", "elapsed")
"""Figures that say when it was."""


def figures(event: Event) -> dict[str, float | None]:
    """The numbers of a progress line or of a test; other events have none."""
    if isinstance(event, Display):
        own = {"loss": event.loss, "rate": event.rate, "gradient": event.gradient, "speed": event.speed}
        outputs = _prefixed("train", event.outputs)
    elif isinstance(event, Tested):
        own, outputs = {}, _prefixed(event.feed, event.outputs)
    else:
        return {}
    return {STEP: event.iteration, "epoch": event.epoch, **own, **outputs, "elapsed": event.elapsed}


def columns(nets: Mapping[str, ShapedGraph]) -> tuple[str, ...]:
    """The names of all figures of a training but those of matrices; `nets` has the net of each feed."""
    outputs = (name for feed, net in nets.items() for name in _prefixed(feed, dict.fromkeys(_outputs(net), 0.0)))
    return (*COMMON, *outputs, *CLOCK)


def _prefixed(feed: str, outputs: Mapping[str, float]) -> dict[str, float | None]:
    return {f"{feed}/{name}": value for name, value in outputs.items()}


def _outputs(net: ShapedGraph) -> Iterable[str]:
    """The names in events of a net's scalar and vector scores."""
    import numpy as np

    chosen = scores(net)
    shapes = {net.graph.blobs[blob].name: net.blobs[blob] for blob in net.graph.outputs if blob in chosen}
    names = iter(labelled({name: np.zeros(shape) for name, shape in shapes.items()}))
    for shape in shapes.values():
        own = [next(names) for _ in range(prod(shape))]
        yield from own if len(shape) < 2 else ()


class Figures:
    """The file metrics.csv: a row for each progress line and each test, with the same columns from the beginning.

    It is written anew from the earlier events of the run, whatever a kill left of it. Raises WriteError.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], earlier: Iterable[Event]) -> None:
        self._columns = columns
        rows = [_line(columns), *(self._row(figures(event)) for event in earlier if figures(event))]
        write_whole(path, "".join(f"{row}\n" for row in rows).encode("utf-8", "backslashreplace"))
        self.file = Lines(path)

    def record(self, event: Event) -> OSError | None:
        """Append the row of an event, if it has figures; the disk's refusal, if it refuses."""
        found = figures(event)
        return self.file.add(self._row(found)) if found else None

    def _row(self, found: Mapping[str, float | None]) -> str:
        return _line(found.get(column) for column in self._columns)


def _line(cells: Iterable[str | float | None]) -> str:
    """Cells as a line of CSV; a number that is missing or not finite is an empty cell."""
    text = io.StringIO()
    shown = ("" if isinstance(cell, float) and not isfinite(cell) else cell for cell in cells)
    csv.writer(text, lineterminator="").writerow(shown)
    return text.getvalue()
