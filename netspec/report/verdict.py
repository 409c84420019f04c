"""The verdict on a run: how good it is, where it was best, how long it took, and what the doctor says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.errors import NetspecError
from netspec.core.shape import clock, counted
from netspec.report.page import part
from netspec.training.events import Finished
from netspec.training.history import History
from netspec.training.runs import LOG, RunRecord
from netspec.training.summary import Score, Summary

if TYPE_CHECKING:
    from markupsafe import Markup


class Figure(NamedTuple):
    """A figure that stands out: its name, its value, and words on it."""

    name: str
    value: str
    words: str


class Remark(NamedTuple):
    """What is to be noted of a run: its code, the sentence, and what to try."""

    code: str
    message: str
    help: str | None


def verdict(
    summary: Summary, record: RunRecord, history: History, findings: Sequence[NetspecError], test: Figure | None
) -> Markup:
    """The verdict as the lead of a page; `test` is a figure of the test that the page shows."""
    figures = [*_scores(summary), *([test] if test else []), _length(summary), *_losses(history)]
    log = _log(record.path)
    return part(
        "verdict",
        status=summary.status,
        course=_course(summary, record, history),
        figures=figures,
        failure=record.failure if summary.status == "failed" else None,
        remarks=[Remark(each.code, each.message, each.help) for each in findings],
        warned=_warned(log, {each.code for each in findings}),
    )


def _scores(summary: Summary) -> Iterator[Figure]:
    """The best score, and the last where that is another."""
    if summary.best is None or summary.last is None:
        return
    yield Figure(f"best {summary.metric}", f"{summary.best.value:.4f}", _at(summary.best))
    if summary.last != summary.best:
        yield Figure(f"last {summary.metric}", f"{summary.last.value:.4f}", _at(summary.last))


def _at(score: Score) -> str:
    return f"at iteration {score.iteration:,}" + ("" if score.epoch is None else f", epoch {score.epoch:.2f}")


def _length(summary: Summary) -> Figure:
    epochs = "" if summary.epoch is None else f", {summary.epoch:.2f} epochs"
    return Figure("trained", clock(summary.seconds), f"{counted(summary.iteration, 'iteration')}{epochs}")


def _losses(history: History) -> Iterator[Figure]:
    """The last training loss, with the first."""
    series = history.series.get("loss")
    if series is not None:
        first = f"{series.values[0]:.4g} at iteration {series.iterations[0]:,}"
        yield Figure("training loss", f"{series.values[-1]:.4g}", f"at iteration {series.iterations[-1]:,}; {first}")


def _course(summary: Summary, record: RunRecord, history: History) -> str:
    """How the training went, in a sentence."""
    end = record.events[-1] if record.events else None
    of = f" of {history.last:,}" if history.last else ""
    match summary.status:
        case "running":
            return f"The training is running: it is at iteration {summary.iteration:,}{of}."
        case "failed":
            return f"The training did not come to its end: it reached iteration {summary.iteration:,}{of}."
        case "stopped":
            assert isinstance(end, Finished)
            why = f"It was stopped ({end.stopped}) at iteration {summary.iteration:,}{of}."
            return f"{why} `netspec train --resume` goes on with it."
    early = end.early if isinstance(end, Finished) else None
    return f"The training ended early: {early}." if early else "The training came to its end."


def _log(folder: Path) -> str:
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _warned(log: str, known: set[str]) -> list[Remark]:
    """The warnings in a log, each once, but for those whose codes are known already."""
    found = re.findall(r"^\S+ \S+ warning\[(NS\d+)\]: (.*)$", log, re.MULTILINE)
    return [Remark(code, message, None) for code, message in dict.fromkeys(found) if code not in known]
