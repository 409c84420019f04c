"""The report of a run: one HTML file, with the verdict first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netspec.core import code_files
from netspec.report.curves import curves
from netspec.report.net import net
from netspec.report.page import Section, ask_for, page, part, write
from netspec.report.settings import configuration, data, environment
from netspec.report.tested import picture, tested
from netspec.report.verdict import Figure, verdict
from netspec.study.doctor import Examination, examine_run
from netspec.study.evaluated import Evaluated, evaluated
from netspec.training.crossval import fold_runs, is_crossval
from netspec.training.folders import NoRunError
from netspec.training.runs import RunRecord
from netspec.training.summary import Summary, summarized

FILE = "report.html"
"""The name of a report in a run folder."""


def write_report(folder: Path, file: Path | None = None, threads: int | None = None) -> Path:
    """Write the report of a run into a file, by default in its folder; the file.

    Raises ExistsError, WriteError, and what `report` raises.
    """
    found = _found(folder)
    file = folder / FILE if file is None else file
    ask_for("a report", file)
    write(file, _made(*found, threads))
    return file


def report(folder: Path, threads: int | None = None) -> str:
    """The report of a run as HTML; a test that its folder lacks is made first, and kept there.

    Raises NoRunError, BrokenRunError, MissingCodeError, NoLibraryError, and the errors of the configuration.
    """
    found = _found(folder)
    ask_for("a report")
    return _made(*found, threads)


def _found(folder: Path) -> tuple[Summary, RunRecord]:
    """A run's summary and all that it holds. Raises NoRunError, MissingCodeError."""
    if is_crossval(folder):
        folds = fold_runs(folder)
        help = f"name one of its {len(folds)} folds, like {folds[0]}"
        raise NoRunError(f"'{folder}' is a cross-validation, not the folder of a run", help=help)
    found = summarized(folder)
    code_files.ask_for(folder)
    return found


def _made(summary: Summary, record: RunRecord, threads: int | None) -> str:
    examined = examine_run(record)
    found = evaluated(record, examined.job, threads)
    assert examined.history is not None
    lead = verdict(summary, record, examined.history, examined.findings, _tested(found, summary))
    name = record.path.resolve().name
    title = f"{name}: {summary.net}" if summary.net else name
    return page(title, lead, list(_sections(record, examined, found)))


def _tested(found: Evaluated, summary: Summary) -> Figure | None:
    """The accuracy of the first head of classes in a test; None where the best or the last score says it already."""
    known = [score.value for score in (summary.best, summary.last) if score is not None]
    for on, values in found.tests.items():
        shares = [head["accuracy"] for head in values["heads"] if "accuracy" in head]
        if shares:
            said = any(abs(value - shares[0]) < 5e-5 for value in known)
            return None if said else Figure(f"{on} accuracy", f"{shares[0]:.4f}", f"of {values['weights']}")
    return None


def _sections(record: RunRecord, examined: Examination, found: Evaluated) -> Iterator[Section]:
    """The sections below the verdict; one whose contents a run lacks says why."""
    shown = next((each for on, values in found.tests.items() if (each := picture(on, values))), None)
    yield Section("Curves", curves([record], beside=shown.body if shown else None))
    if found.missing:
        yield Section("Test", part("missing", what="There is no test", why=found.missing))
    for on, values in found.tests.items():
        yield Section("Test" if on == "test" else f"Test on {on}", tested(values, shown))
    yield Section("Net", net(examined.job, record))
    yield Section("Configuration", configuration(record), narrow=True)
    yield Section("Data", data(record, examined.job), narrow=True)
    yield Section("Environment", environment(record), narrow=True)
