"""Summary: a run in a few values, for lists of runs; and by which settings runs differ."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from netspec.core.changes import Steps, compare, dotted
from netspec.core.errors import UsageError
from netspec.core.spelling import suggest
from netspec.training.events import Event, Finished, Tested
from netspec.training.figures import figures
from netspec.training.runs import RunRecord, is_running, read

Status = Literal["running", "done", "stopped", "failed"]
Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Score:
    """A test of a run: the score that was asked for, the iteration, and the epoch, None without training data."""

    value: float
    iteration: int
    epoch: float | None


@dataclass(frozen=True)
class Summary:
    """A run in a few values.

    `status` is 'failed' for a run that ended without saying why: by an error, a kill or a power cut. `seconds` are
    those of training over all resumes. `best` and `last` are the best and the last test by `metric`, if there is one;
    `mode` says whether its best value is the greatest. `started` is when the run began or was last resumed.
    """

    name: str
    status: Status
    net: str
    started: str
    iteration: int
    epoch: float | None
    seconds: float
    metric: str | None
    mode: Mode | None
    best: Score | None
    last: Score | None


def summarized(path: Path, metric: str | None = None, mode: Mode | None = None) -> tuple[Summary, RunRecord]:
    """The summary of a run folder, by a metric or by the one that its training was judged by; and all that it holds.

    Raises NoRunError, BrokenRunError, and the errors of a document.
    """
    running = is_running(path)
    record = read(path)
    own = record.environment.get("metric")
    if metric is None:
        metric, mode = own, mode or record.environment.get("mode")
    elif mode is None:
        mode = record.environment.get("mode") if metric == own else usual_mode(metric)
    tests = list(_scores(record.events, metric)) if metric else []
    sign = -1 if mode == "max" else 1
    last = max(record.events, key=lambda event: event.iteration, default=None)
    return (
        Summary(
            str(path),
            status(record.events, running),
            str(record.environment.get("net", "")),
            str(record.environment.get("started", "")),
            last.iteration if last else 0,
            last.epoch if last else None,
            max((event.elapsed for event in record.events), default=0.0),
            metric,
            mode,
            min(tests, key=lambda test: sign * test.value, default=None),
            tests[-1] if tests else None,
        ),
        record,
    )


def usual_mode(metric: str) -> Mode:
    """Of a loss less is better, of all else more."""
    return "min" if "loss" in metric.rpartition("/")[2].lower() else "max"


def status(events: Sequence[Event], running: bool) -> Status:
    """What a run is at, by its events and by whether a process trains in its folder."""
    if running:
        return "running"
    end = events[-1] if events else None
    if not isinstance(end, Finished):
        return "failed"
    return "done" if end.stopped is None else "stopped"


def _scores(events: Iterable[Event], metric: str) -> Iterable[Score]:
    """The tests that have a finite value of a metric, in order."""
    for event in events:
        if isinstance(event, Tested):
            value = figures(event).get(metric)
            if value is not None and math.isfinite(value):
                yield Score(value, event.iteration, event.epoch)


def differing(configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each configuration the settings in which any two differ, by their dotted names; None where it has none.

    Those of the net stand last; what a net says of itself alone is left out.
    """
    if not configs:
        return []
    first, *_ = configs = list(map(_settling, configs))
    changed = [{dotted(change.path): change for change in compare(first, other)} for other in configs]
    names = {name: change.before for changes in changed for name, change in changes.items()}
    return [
        {name: changes[name].after if name in changes else before for name, before in names.items()}
        for changes in changed
    ]


def _settling(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that settles what is trained, the net last."""
    net = config.get("net")
    parts = {key: part for key, part in net.items() if key not in _ABOUT} if isinstance(net, dict) else net
    return {key: value for key, value in config.items() if key != "net"} | {"net": parts}


_ABOUT = ("name", "cite", "expect")


class UnknownKeyError(UsageError):
    """Runs are to be sorted or chosen by something that none of them has."""

    code = "NS564"


Found = tuple[Summary, RunRecord]


def arranged(found: Sequence[Found], sort: str, where: Sequence[str] = (), reverse: bool = False) -> list[Found]:
    """The runs whose values are those of `where`, each a text KEY=VALUE, sorted by a key: the best score first.

    A key is a field of a Summary, or a setting by its dotted name. Raises UnknownKeyError.
    """
    tables = {run.name: _values(run, record) for run, record in found}
    for condition in where:
        key, equals, wanted = condition.rpartition("=")
        if not equals:
            raise UnknownKeyError(f"'{condition}' is no KEY=VALUE", help="like `--where status=done`")
        _known(key, tables.values())
        found = [one for one in found if _is(tables[one[0].name].get(key), wanted)]
    _known(sort, tables.values())

    def place(one: Found) -> tuple[int, float, str]:
        value = tables[one[0].name].get(sort)
        if not isinstance(value, int | float):
            return (2 if value is None else 1, 0.0, str(value))
        return (0, -value if sort in ("best", "last") and one[0].mode == "max" else value, "")

    return sorted(found, key=place, reverse=reverse)


def _values(run: Summary, record: RunRecord) -> dict[str, Any]:
    """What a run can be sorted and chosen by: its own values and its settings, the former first."""
    own = {name: value for name, value in vars(run).items() if name not in ("best", "last")}
    scores = {"best": run.best and run.best.value, "last": run.last and run.last.value}
    return dict(_settings(record.config)) | own | scores


def _settings(value: Any, path: Steps = ()) -> Iterator[tuple[str, Any]]:
    """The settings in plain values by their dotted names; a mapping with a `type` is also that word."""
    if isinstance(value, list | tuple) and all(isinstance(item, dict) and "name" in item for item in value):
        value = {item["name"]: item for item in value}
    if isinstance(value, dict):
        if path and "type" in value:
            yield dotted(path), value["type"]
        for key, item in value.items():
            yield from _settings(item, (*path, key))
    else:
        yield dotted(path), value


def _is(value: Any, wanted: str) -> bool:
    """Whether a value is the one that a text names: an equal number, or its text in YAML."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value == float(wanted)
        except ValueError:
            return False
    return wanted == (value if isinstance(value, str) else json.dumps(value))


def _known(key: str, tables: Iterable[dict[str, Any]]) -> None:
    names = {name for table in tables for name in table}
    if names and key not in names:
        raise UnknownKeyError(f"no run has a '{key}'", help=suggest(key, names))
