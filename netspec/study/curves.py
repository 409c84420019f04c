"""Curves: which panels and lines show the course of trainings, and what is said of them.

The picture of `pictures/curves.py` and the charts of `views/curves.py` draw these values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, median
from typing import Literal, NamedTuple

from netspec.core.errors import UsageError
from netspec.core.points import Points
from netspec.core.shape import counted
from netspec.core.visible import cut
from netspec.study.legend import labels, names_of
from netspec.study.quantities import Kind, Quantity, chosen, quantities, unknown
from netspec.training.figures import figures
from netspec.training.history import History, Series
from netspec.training.runs import RunRecord
from netspec.training.series import history
from netspec.training.summary import usual_mode

Along = Literal["iteration", "epoch", "time"]
Log = Literal["", "x", "y", "xy"]
MOST_SCORES = 6
"""Most panels of scores that are drawn without being asked for."""
_LONGEST_NOTE = 200
_STEEP = 1000
"""A loss whose highest value is so many times its median is shown on a logarithmic axis."""


class NoCurvesError(UsageError):
    """Curves are to be drawn of something that the runs have not recorded, or not yet."""

    code = "NS890"


@dataclass(frozen=True)
class Wish:
    """What is to be drawn.

    `only` names panels, scores (`accuracy`) or other series (`data/conv1/conv1`); without any, all panels are drawn.
    The best test by `metric` is marked, left out that by which the training was judged. Values taken in passing are
    shown as means of `smooth` values around each; tests and rates never are. `log` names the axes that are
    logarithmic; those of gradients and updates always are.
    """

    along: Along = "iteration"
    only: tuple[str, ...] = ()
    metric: str | None = None
    smooth: int = 1
    log: Log = ""


ALL = Wish()


@dataclass(frozen=True)
class Line:
    """A quantity of a run, by the number of the run; `raw` are its points before smoothing, where it is smoothed.

    Where `points` are medians, `low` and `high` are the lowest and highest values. `best` is the best test by the
    metric, where the line has it.
    """

    run: int
    name: str
    points: Points
    raw: Points = ()
    low: Points = ()
    high: Points = ()
    best: tuple[float, float] | None = None


@dataclass(frozen=True)
class Panel:
    """Lines over one pair of axes, whose values lie on a logarithmic axis where `log` says so."""

    kind: Kind
    title: str
    lines: tuple[Line, ...]
    log: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the lines, each once, in their order."""
        return tuple(dict.fromkeys(line.name for line in self.lines))

    @property
    def heading(self) -> str:
        """The title, with the name of the lines where all have one name."""
        return f"{self.title} ({self.names[0]})" if len(self.names) == 1 and self.names[0] else self.title


@dataclass(frozen=True)
class Curves:
    """Panels, and the words for them: a label for each run, the name of the x axis, and notes."""

    panels: tuple[Panel, ...]
    runs: tuple[str, ...]
    along: str
    log_x: bool = False
    notes: tuple[str, ...] = ()


def curves(records: Sequence[RunRecord], wish: Wish = ALL) -> Curves:
    """The curves of some runs. Raises NoCurvesError, UnknownCurveError."""
    courses = [history(record) for record in records]
    if not any(course.series for course in courses):
        which = ", ".join(f"'{record.path}'" for record in records)
        raise NoCurvesError(f"no progress line and no test is recorded in {which} yet", help="let it train on")
    if wish.metric and not any(wish.metric in course.series for course in courses):
        raise unknown(wish.metric, [], courses)
    found = quantities(records, courses)
    shown = chosen(found, courses, wish.only) if wish.only else found
    axis = _axis(records, courses, wish.along)
    metrics = [_metric(record, wish.metric) for record in records]
    lines: dict[tuple[Kind, str], list[Line]] = {}
    for each in _judged_first(shown, metrics):
        lines.setdefault((each.kind, each.title), []).append(_line(each, axis, wish, metrics[each.run]))
    scores = [key for key in lines if key[0] == "scores"]
    hidden = [] if wish.only else scores[MOST_SCORES:]
    panels = tuple(_panel(*key, own, wish) for key, own in lines.items() if key not in hidden)
    notes = _notes(records, shown, panels, wish, len(hidden))
    return Curves(panels, labels(records), axis.name, "x" in wish.log, tuple(notes))


# --- the x axis


class _Axis(NamedTuple):
    name: str
    of: Callable[[Series], Sequence[float]]


def _axis(records: Sequence[RunRecord], courses: Sequence[History], along: Along) -> _Axis:
    """The x axis, on which every series of the runs has its place. Raises NoCurvesError."""
    if along == "iteration":
        return _Axis("iteration", lambda series: series.iterations)
    every = [(record, each) for record, course in zip(records, courses, strict=True) for each in course.series.values()]
    for record, series in every:
        if along == "epoch" and None in series.epochs:
            text = f"the run '{record.path}' counts no epochs: it has no training data"
            raise NoCurvesError(text, help="leave `--x epoch` out")
        if along == "time" and series.iterations[-1] > 0 and not series.seconds[-1] > 0:
            raise NoCurvesError(f"the run '{record.path}' has recorded no times", help="leave `--x time` out")
    if along == "epoch":
        return _Axis("epoch", lambda series: [epoch or 0.0 for epoch in series.epochs])
    longest = max(series.seconds[-1] for _, series in every)
    unit, size = ("seconds", 1) if longest < 180 else ("minutes", 60) if longest < 10800 else ("hours", 3600)
    return _Axis(f"{unit} of training", lambda series: [second / size for second in series.seconds])


# --- lines and panels


class _Metric(NamedTuple):
    name: str
    mode: str


def _metric(record: RunRecord, asked: str | None) -> _Metric | None:
    """The score by which the best test of a run is marked, and whether its best value is the lowest or the highest."""
    own, mode = record.environment.get("metric"), record.environment.get("mode")
    name = asked or own
    if not isinstance(name, str):
        return None
    return _Metric(name, mode if name == own and mode in {"min", "max"} else usual_mode(name))


def _judged_first(shown: Sequence[Quantity], metrics: Sequence[_Metric | None]) -> list[Quantity]:
    """Quantities with those of a score that runs are judged by before other scores."""
    judged = {one.name.partition("/")[2] for one in metrics if one}
    kinds = list(dict.fromkeys(each.kind for each in shown))
    return sorted(shown, key=lambda each: (kinds.index(each.kind), each.kind == "scores" and each.title not in judged))


def _line(one: Quantity, axis: _Axis, wish: Wish, metric: _Metric | None) -> Line:
    """A quantity as a line, smoothed where it may be."""

    def points(series: Series | None) -> Points:
        pairs = zip(axis.of(series), series.values, strict=True) if series else ()
        return tuple((x, y) for x, y in pairs if x > 0 or "x" not in wish.log)

    own, best = points(one.series), None
    if metric and one.series.name == metric.name:
        sign = -1 if metric.mode == "max" else 1
        best = min((point for point in own if isfinite(point[1])), key=lambda point: sign * point[1], default=None)
    low, high = points(one.low), points(one.high)
    if not one.passing or wish.smooth == 1:
        return Line(one.run, one.name, own, (), low, high, best)
    return Line(one.run, one.name, smoothed(own, wish.smooth), own, low, high, best)


def smoothed(points: Points, count: int) -> Points:
    """Points whose values are means of `count` values around each, of fewer near the ends; as many on either side.

    Values that are not finite stay so, and are in no mean. An even count is taken as the next odd one.
    """
    half, values = count // 2, [y for _, y in points]
    means = []
    for i, (x, y) in enumerate(points):
        reach = min(half, i, len(values) - 1 - i)
        around = [value for value in values[i - reach : i + reach + 1] if isfinite(value)]
        means.append((x, fmean(around) if isfinite(y) else y))
    return tuple(means)


def _panel(kind: Kind, title: str, lines: Sequence[Line], wish: Wish) -> Panel:
    every = [points for line in lines for points in (line.points, line.raw, line.low, line.high)]
    values = [y for points in every for _, y in points if isfinite(y)]
    steep = kind == "loss" and bool(values) and max(values) > _STEEP * median(values)
    log = ("y" in wish.log or steep or kind in {"gradient", "updates"}) and bool(values) and min(values) > 0
    return Panel(kind, title, tuple(lines), log)


# --- notes


def _notes(
    records: Sequence[RunRecord], shown: Sequence[Quantity], panels: Sequence[Panel], wish: Wish, hidden: int
) -> Iterator[str]:
    """Sentences about what the panels show, and about what they lack."""
    means = {str(record.config.get("average_loss", 1)) for record in records}
    if means != {"1"} and any(each.series.name == "loss" for each in shown):
        number = means.pop() if len(means) == 1 else "`average_loss`"
        yield f"train loss: the mean of the last {number} iterations"
    if any(line.raw for panel in panels for line in panel.lines):
        yield f"smoothed: the mean of {wish.smooth // 2 * 2 + 1} values around each; tests and rates are as recorded"
    linear = [panel.title for panel in panels if "y" in wish.log and not panel.log]
    if linear:
        yield f"not logarithmic, as it has values of 0 or less: {', '.join(linear)}"
    if "x" in wish.log:
        yield "a logarithmic axis has no 0: what was recorded there is left out"
    if hidden:
        yield f"{counted(hidden, 'more score')}: name {'it' if hidden == 1 else 'them'} by `--only`"
    names = names_of([record.path for record in records])
    for name, record in zip(names, records, strict=True):
        if not any(map(figures, record.events)):
            yield f"{name}: nothing is recorded yet"
        if record.failure:
            yield cut(f"{name}: ended by {record.failure.splitlines()[0]}", _LONGEST_NOTE)
    for each in shown:
        lost = [i for i, value in zip(each.series.iterations, each.series.values, strict=True) if not isfinite(value)]
        if lost and each.kind in {"loss", "scores"}:
            yield f"{names[each.run]}: {each.series.name} is not finite, first at iteration {lost[0]}"
    if not wish.only and not any(panel.kind == "updates" for panel in panels):
        yield "no update ratios and dead units: `debug_info: true` in the solver records them"
