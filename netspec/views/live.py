"""The live lines of a training: rich's progress columns, as many and as long as fit into the terminal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.control import Control
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.segment import ControlType, Segment
from rich.table import Column

from netspec.core.shape import clock, pace
from netspec.core.snippet import cell_width
from netspec.training.events import Progress, valued
from netspec.views.terminal import means

LINES = 2
"""Lines that are kept up to date."""

BAR = 12
"""Cells of the bar."""

PERIOD = 600.0
"""Seconds that the time left is estimated from: an iteration of a large net may take a minute."""

SPARK = "▁▂▃▄▅▆▇█"
"""Cells of a sparkline, from the lowest value to the highest."""

MOST_LOSSES = 512
"""Losses that are kept for the sparkline; where there are more, every second goes."""

WAITING = 0.05
"""Share of the time above which the line says that the training waits for data."""

FIRST = (
    ("waiting",),
    ("bar",),
    ("rate",),
    ("iter",),
    ("speed",),
    ("epoch",),
    ("waiting",),
    ("iter",),
)
"""Parts of the first line that take their next shorter form, or vanish, step after step until the line fits."""

SECOND = (
    ("spark",),
    ("test",),
    ("loss", "mean"),
    ("test",),
    ("loss",),
    ("scores",),
    ("scores",),
    ("spark",),
    ("best",),
)
"""Those of the second line."""


class TrainingLine(RichProgress):
    """Two lines kept up to date below the printed text: how far the training is, and how well it does.

    Loss, test score and time left stay at any width. `tested` are the scores of the last test on `feed`, the one that
    the training is judged by in front; `best` is the best value of that one so far.
    """

    def __init__(self, progress: Callable[[], Progress], console: Console, **options: Any) -> None:
        self.progress, self.feed, self.tested = progress, "test", dict[str, float]()
        self.best: float | None = None
        self._losses: list[float] = []
        self._every, self._shown, self._waited, self._anchor = 1, 0, _Share(), _Anchor()
        super().__init__(console=console, refresh_per_second=4, transient=True, speed_estimate_period=PERIOD, **options)
        now = progress()
        self._task = self.add_task("", total=now.last, completed=now.iteration)

    def start(self) -> None:
        """Begin to show the lines."""
        super().start()
        self.console.push_render_hook(self._anchor)

    def stop(self) -> None:
        """Take the lines away."""
        if self.live.is_started:
            self.console.pop_render_hook()
            self.console.control(self._anchor.down())
        super().stop()

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines as a table of one row each, made anew for the terminal's width of this moment."""
        if not self.tasks:
            return
        now = self.progress()
        self.update(self._task, completed=now.iteration)
        self._note(now)
        for forms, shrink in ((self._far(now), FIRST), (self._well(now), SECOND)):
            shown = fitted(forms, shrink, self.console.width)
            self.columns = tuple(_column(name) for name, words in shown.items() if words)
            self.tasks[0].fields.update(shown)
            yield self.make_tasks_table(self.tasks) if self.columns else ""

    def _note(self, now: Progress) -> None:
        """Keep what changes over time: the mean loss, and the share of the time that data are waited for."""
        self._waited.add(self.get_time(), now.waited)
        if now.over and now.iteration >= self._shown + self._every:
            self._shown = now.iteration
            self._losses.append(now.mean)
            if len(self._losses) > MOST_LOSSES:
                self._losses, self._every = self._losses[::2], 2 * max(self._every, now.iteration // MOST_LOSSES)

    def _far(self, now: Progress) -> dict[str, list[str]]:
        """The words of each part of the first line, from the longest form to the shortest."""
        task, share = self.tasks[0], self._waited.value
        speed = pace(task.speed * now.samples, now.unit) if task.speed else ""
        waiting = [f"waiting for data {share:.0%}", f"waiting {share:.0%}"] if share > WAITING else []
        return {
            "bar": [" " * BAR, ""],
            "iter": [f"iter {now.iteration}/{now.last}", f"iter {now.iteration}", ""],
            "epoch": [f"epoch {now.epoch:.2f}", ""] if now.epoch is not None else [""],
            "rate": [f"lr {now.rate:.4g}", ""],
            "speed": [speed, ""],
            "waiting": [*waiting, ""],
            "eta": [f"eta {clock(task.time_remaining)}" if task.time_remaining is not None else ""],
        }

    def _well(self, now: Progress) -> dict[str, list[str]]:
        """The words of each part of the second line, from the longest form to the shortest."""
        loss, scores, mean = means(now)
        tested = valued(self.tested, "{:.4f}")
        first = f"{next(iter(self.tested.values())):.4f}" if tested else ""
        return {
            "loss": [loss, f"mean {loss}", loss] if mean else [loss],
            "spark": [sparkline(self._losses, 16), sparkline(self._losses, 8), ""],
            "scores": [scores, *(f"{name} {value:.4g}" for name, value in islice(now.scores.items(), 1)), ""],
            "mean": [mean, ""],
            "test": [f"{self.feed} {score}" for score in (" ".join(tested), tested[0], first)] if tested else [""],
            "best": [f"best {self.best:.4f}" if self.best is not None else "", ""],
        }


class _Share:
    """The share of the last seconds that was waited."""

    OVER = 5.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def add(self, now: float, waited: float) -> None:
        """Take note of how long was waited in all until now."""
        self._seen.append((now, waited))
        while len(self._seen) > 2 and now - self._seen[0][0] > self.OVER:
            self._seen.popleft()

    @property
    def value(self) -> float:
        """The share; 0 before it is known."""
        (begin, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - begin) if end > begin else 0.0


def sparkline(values: Sequence[float], cells: int) -> str:
    """Values as so many cells at most, each the mean of an equal part of those that are finite."""
    sound = [value for value in values if math.isfinite(value)]
    if len(sound) < 2:
        return ""
    cells = min(cells, len(sound))
    bounds = [len(sound) * i // cells for i in range(cells + 1)]
    means = [sum(sound[a:b]) / (b - a) for a, b in pairwise(bounds)]
    low, high = min(means), max(means)
    steps = (round((len(SPARK) - 1) * (mean - low) / (high - low)) if high > low else 0 for mean in means)
    return "".join(SPARK[step] for step in steps)


class _Anchor(RenderHook):
    """Leaves the cursor at the beginning of the live lines, and erases what is below before they are drawn anew.

    A terminal that becomes narrower wraps the lines, but the cursor stays at their beginning: nothing of them is left
    over. Rich begins to draw at the last of the lines that it drew.
    """

    def __init__(self) -> None:
        self._drawn = False

    def down(self) -> Control:
        """From the beginning of the lines to the last of them."""
        return Control((ControlType.CURSOR_DOWN, LINES - 1)) if self._drawn else Control()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """What is printed, which ends with the lines."""
        down, self._drawn = self.down(), True
        up = Control((ControlType.CURSOR_UP, LINES - 1), ControlType.CARRIAGE_RETURN)
        return [_EraseBelow(), down, *renderables, up]


class _EraseBelow:
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment("\x1b[J", None, [(ControlType.CLEAR,)])


def fitted(forms: dict[str, list[str]], shrink: Iterable[Sequence[str]], width: int) -> dict[str, str]:
    """The form of each part in which a line, with a space between parts, fits into `width`, or the shortest.

    `shrink` names the parts that take their next form, step after step.
    """
    chosen = dict.fromkeys(forms, 0)
    for shrinking in ((), *shrink):
        for name in shrinking:
            chosen[name] = min(chosen[name] + 1, len(forms[name]) - 1)
        shown = {name: forms[name][form] for name, form in chosen.items()}
        words = list(filter(None, shown.values()))
        if sum(map(cell_width, words)) + len(words) - 1 <= width:
            break
    return shown


def _column(name: str) -> ProgressColumn:
    if name == "bar":
        return BarColumn(BAR)
    column = Column(no_wrap=True, overflow="ellipsis")
    return TextColumn(f"{{task.fields[{name}]}}", markup=False, table_column=column)
