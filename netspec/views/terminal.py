"""Values to terminal text: times, progress, errors. Runs nothing."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netspec.core.errors import NetspecError, render
from netspec.core.shape import clock
from netspec.views.columns import Columns

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from netspec.engine.timing import NetTime
    from netspec.training.events import Progress


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


def styled_error(error: NetspecError) -> RenderableType:
    """An error for a terminal: red tag, blue margins."""
    from rich.text import Text

    result = Text()
    for index, one in enumerate(error.errors()):
        if index:
            result.append("\n\n")
        for number, line in enumerate(render(one).split("\n")):
            if number:
                result.append("\n")
            result.append(_styled(line, number))
    return result


def _styled(line: str, number: int) -> Any:
    from rich.text import Text

    if number == 0:
        tag, _, message = line.partition(": ")
        return Text.assemble((tag, "bold red"), (": " + message, "bold"))
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
        f"forward-backward  {one.forward_backward:.3f} ms, {1000 * one.batch / one.forward_backward:,.0f} images/s"
    ]
    table = Columns(
        heads, f"{one.net}  batch {one.batch}  {one.threads} threads  median of {one.iterations}", (3, 4, 5), notes
    )
    whole = sum(t.forward + t.backward for t in one.layers) or 1.0
    for t in one.layers:
        back = f"{t.backward:.3f}" if t.backward else "-"
        table.add_row(
            t.name, t.type, t.kernels or "-", f"{t.forward:.3f}", back, f"{100 * (t.forward + t.backward) / whole:.1f}%"
        )
    return table


class TrainingLine:
    """The live line of a training on a terminal: progress, loss, last test, rate, images per second, time left."""

    def __init__(self, progress: Callable[[], Progress]) -> None:
        self.progress = progress
        self.scores: dict[str, float] = {}
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), progress().iteration)], maxlen=40)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.progress()
        line = Text("  ".join(self._words(now)), no_wrap=True, overflow="ellipsis")
        if options.max_width < len(line) + 28:
            yield line
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(total=now.last, completed=now.iteration, width=24), line)
        yield grid

    def _words(self, now: Progress) -> list[str]:
        self._seen.append((time.monotonic(), now.iteration))
        (then, before), moment = self._seen[0], self._seen[-1][0]
        pace = (now.iteration - before) / max(moment - then, 1e-9)
        words = [f"iter {now.iteration}/{now.last}"]
        words += [f"loss {now.loss:.4g}"] if math.isfinite(now.loss) else []
        words += [f"lr {now.rate:.4g}"]
        if pace:
            words += [f"{pace * now.samples:,.0f} img/s", f"eta {clock((now.last - now.iteration) / pace)}"]
        return words + [f"test {name} {value:.4f}" for name, value in self.scores.items() if name != "loss"]
