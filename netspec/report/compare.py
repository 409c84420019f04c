"""Several runs side by side as one HTML file: which is best, what differs in settings and nets, their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import NetspecError
from netspec.core.shape import counted
from netspec.core.spelling import enumerated
from netspec.report.curves import curves
from netspec.report.page import Section, ask_for, page, part, table, write
from netspec.study.curves import Wish
from netspec.study.diff import diff
from netspec.study.legend import names_of
from netspec.training.runs import RunRecord
from netspec.training.summary import Found, Summary, differing
from netspec.views.columns import Columns
from netspec.views.diff import diff_view
from netspec.views.runs import cell, runs_view

if TYPE_CHECKING:
    from markupsafe import Markup

_ACROSS = 6
"""Most runs that have a column each in the table of settings; of more, each has a row."""


def write_comparison(file: Path, found: Sequence[Found]) -> None:
    """Write the comparison of runs into a file.

    Raises NoLibraryError, ExistsError, WriteError.
    """
    ask_for("a comparison", file)
    write(file, comparison(found))


def comparison(found: Sequence[Found]) -> str:
    """The comparison of runs, which are judged by the metric of their summaries, as HTML."""
    names = names_of([record.path for _, record in found])
    configs = differing([record.config for _, record in found])
    settings, nets = ([_parts(config, of_net) for config in configs] for of_net in (False, True))
    runs = [replace(run, name=name) for (run, _), name in zip(found, names, strict=True)]
    title = enumerated(names) if len(names) <= 3 else f"{len(names)} trainings"
    lead = part("compared", verdict=_verdict(runs))
    records = [record for _, record in found]
    sections = [
        Section("Runs", table(runs_view([(run, {}) for run in runs]).table(None)), narrow=True),
        Section("Settings", _settings(settings, names), narrow=True),
        Section("Curves", _curves(records, {run.metric for run in runs if run.best})),
        Section("Nets", _nets(records, nets, names)),
    ]
    return page(title, lead, sections)


def _parts(config: Mapping[str, Any], of_net: bool) -> dict[str, Any]:
    """The settings of a net, or all others."""
    return {key: value for key, value in config.items() if f"{key}.".startswith("net.") == of_net}


def _verdict(runs: Sequence[Summary]) -> str:
    """Which run is best, in a sentence."""
    judged = {(run.metric, run.mode) for run in runs}
    scored = [(run.best.value, run) for run in runs if run.best]
    if len(judged) > 1:
        return "The runs are judged by different scores, so none of them is the best."
    if not scored:
        return "No run has been tested by its score."
    ((metric, mode),) = judged
    best = (max if mode == "max" else min)(value for value, _ in scored)
    first = [run for value, run in scored if value == best]
    at = f" at iteration {first[0].best.iteration:,}" if len(first) == 1 and first[0].best else ""
    are = "is" if len(first) == 1 else "are"
    return f"{enumerated([run.name for run in first])} {are} best: {metric} {best:.4f}{at}."


def _settings(settings: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    """The settings in which the runs differ; a column for each run, or a row where they are many."""
    if not settings[0]:
        return part("missing", what="No setting of the solver differs", why="all runs were trained alike")
    keys, cells = list(settings[0]), [[cell(value) or "-" for value in own.values()] for own in settings]
    if len(names) <= _ACROSS:
        shown = Columns(("setting", *names))
        for key, *row in zip(keys, *cells, strict=True):
            shown.add_row(key, *row)
    else:
        shown = Columns(("run", *keys))
        for name, own in zip(names, cells, strict=True):
            shown.add_row(name, *own)
    return table(shown, "settings")


def _curves(records: Sequence[RunRecord], metrics: set[str | None]) -> Markup:
    (metric,) = metrics if len(metrics) == 1 else (None,)
    return curves(records, Wish(metric=metric))


def _nets(records: Sequence[RunRecord], settings: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    """What differs between the net of the first run and every other net, each compared once."""
    own = [
        tuple((key, cell(value)) for key, value in each.items() if f"{key}.".startswith("net.")) for each in settings
    ]
    others = [number for number, net in enumerate(own) if net not in own[:number]][1:]
    same = [[name for name, net in zip(names, own, strict=True) if net == own[number]] for number in (0, *others)]
    compared = [(runs, _net(records[0], records[number])) for runs, number in zip(same[1:], others, strict=True)]
    return part("nets", first=enumerated(same[0]), compared=[(enumerated(runs), body) for runs, body in compared])


def _net(first: RunRecord, other: RunRecord) -> Markup:
    """The differences between the nets of two runs."""
    try:
        found = diff(first.path.absolute(), other.path.absolute())
    except NetspecError as error:
        return part("missing", what="The nets cannot be compared", why=error.message)
    if not found.layers:
        return part("missing", what="No layer differs", why=f"{counted(found.alike, 'layer')} are alike")
    shown = diff_view(replace(found, settings=None, runs=None)).table(None)
    shown.title = ""
    return table(shown, "layers")
