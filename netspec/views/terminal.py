"""Values to terminal text: times, progress, errors. Runs nothing."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import NetspecError, render
from netspec.core.shape import clock, counted, pace
from netspec.views.columns import Columns

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netspec.engine.timing import NetTime
    from netspec.training.events import Display, Finished, Progress, Tested
    from netspec.training.watch import Metric


def short(number: float) -> str:
    """A count in short form: 25557032 -> 25.6 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"


def size(number: int) -> str:
    """A number of bytes in binary units: 1724320 -> 1.64 MiB."""
    for unit, letter in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= unit:
            return f"{number / unit:.2f} {letter}"
    return f"{number} B"


def styled_error(error: NetspecError, width: int | None = None) -> RenderableType:
    """An error for a terminal: red tag, of a warning yellow, and blue margins.

    Source lines are cut to `width`, sentences folded.
    """
    from rich.text import Text

    result = Text()
    for index, one in enumerate(error.errors()):
        if index:
            result.append("\n\n")
        lines = render(one, width=width).split("\n")
        head = next((i for i, line in enumerate(lines) if line.lstrip().startswith(("-->", "= "))), len(lines))
        shown = [Text(line, "bold") if 0 < i < head else _styled(line, i, one.severity) for i, line in enumerate(lines)]
        result.append(Text("\n").join(shown))
    return result


def _styled(line: str, number: int, severity: str) -> Any:
    from rich.text import Text

    if number == 0:
        tag, _, message = line.partition(": ")
        return Text.assemble((tag, "bold red" if severity == "error" else "bold yellow"), (": " + message, "bold"))
    stripped = line.lstrip()
    if stripped.startswith("-->"):
        return Text.assemble((line[: line.index("-->") + 3], "bold blue"), line[line.index("-->") + 3 :])
    if stripped.startswith("= help:"):
        return Text.assemble(
            (line[: line.index("=") + 1], "bold blue"), (" help:", "bold cyan"), line[line.index("help:") + 5 :]
        )
    left, bar, rest = line.partition(" |")
    if bar and (not left.strip() or left.strip().isdigit()):
        caret = bool(rest.strip()) and set(rest.strip()) == {"^"}
        return Text.assemble((left + bar, "bold blue"), (rest, "bold red") if caret else rest)
    return Text(line)


def time_table(one: NetTime) -> Columns:
    """The table of times per layer and per pass."""
    heads = ("layer", "type", "kernels", "forward ms", "backward ms", "share")
    notes = [f"forward           {one.forward:.3f} ms", f"backward          {one.backward:.3f} ms"]
    notes += [
        f"forward-backward  {one.forward_backward:.3f} ms, {1000 * one.batch / one.forward_backward:,.0f} {one.unit}s/s"
    ]
    table = Columns(
        heads,
        f"{one.net}  batch {one.batch}  {counted(one.threads, 'thread')}  median of {one.iterations}",
        (3, 4, 5),
        notes,
    )
    whole = sum(t.forward + t.backward for t in one.layers) or 1.0
    for t in one.layers:
        back = f"{t.backward:.3f}" if t.backward else "-"
        table.add_row(
            t.name, t.type, t.kernels or "-", f"{t.forward:.3f}", back, f"{100 * (t.forward + t.backward) / whole:.1f}%"
        )
    return table


def progress_line(event: Display, now: Progress) -> str:
    """A line of progress, with means over the iterations since the line before."""
    from netspec.training.events import valued

    loss, scores, mean = means(now)
    others = valued(
        {name: value for name, value in event.outputs.items() if name not in {"loss", *now.scores}}, "{:.4g}"
    )
    epoch = [] if now.epoch is None else [f"epoch {now.epoch:.2f}"]
    tail = [f"lr {event.rate:.4g}", pace(event.speed, now.unit), f"eta {_clock(event.left)}"]
    return " ".join(filter(None, [f"iter {event.iteration}", *epoch, loss, scores, mean, *others, *tail]))


def means(now: Progress) -> tuple[str, str, str]:
    """The words for the mean loss, for the means of the net's own scores, and for how many iterations they cover."""
    if not now.over:
        return "", "", ""
    scores = " ".join(f"{name} {value:.4g}" for name, value in now.scores.items())
    return f"loss {now.mean:.4g}", scores, f"(mean of {now.over})" if now.over > 1 else ""


def done(event: Finished, tests: Sequence[Tested], metric: Metric | None, folder: Path) -> str:
    """The end of a training: the best test, the run folder, and the commands to go on with."""
    from netspec.training.events import best_text, recorded

    best = metric.best(recorded(tests)) if metric is not None else None
    lines = [str(event)]
    if best is not None and metric is not None:
        test = next(test for test in tests if (test.iteration, test.feed) == (best[0], metric.feed))
        lines.append(best_text(metric.name, best[1], test.iteration, test.epoch))
    lines.append(f"run folder {folder}")
    if event.stopped is None and tests:
        word = shlex.quote(str(folder))
        lines.append(f"next: netspec test {word}; netspec report {word}")
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return clock(seconds) if math.isfinite(seconds) else "?"
