"""Run folders: writes the files that a training leaves behind, and reads them back.

config.yaml (resolved), metrics.jsonl, metrics.csv, log.txt, env.json, snapshots/; data/ with what was
computed over training data; tensorboard/ where it is asked for.

A folder is locked during its training. On resume, lines of metrics.jsonl at or after the snapshot's iteration are
dropped, so that the file ends as if the run had never been interrupted; metrics.csv and the event file of TensorBoard
are written anew from it. If a run resumes from a snapshot other than the latest, the later snapshots are set aside.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from netspec.core.errors import DataError, MachineError, UsageError
from netspec.core.locate import RUN_CONFIG
from netspec.core.outputs import WriteError
from netspec.core.places import Place, SourceText
from netspec.core.shape import counted
from netspec.data.computed import packed
from netspec.data.facts import Facts
from netspec.language.files import read as read_document
from netspec.training import snapshot
from netspec.training.container import write_whole
from netspec.training.events import Event, Snapshotted, Unwritten, from_row, row
from netspec.training.figures import Figures, columns
from netspec.training.folders import COMPUTED, SNAPSHOTS, NoRunError, holds, instead_of, writable
from netspec.training.lines import Growing, Lines, last_error
from netspec.training.provenance import config, environment
from netspec.training.tensorboard import FOLDER, Points

if TYPE_CHECKING:
    from netspec.training.session import Session


class FolderInUseError(MachineError):
    """Another process trains in this folder."""

    code = "NS522"


class FolderTakenError(UsageError):
    """A new run may not overwrite an old run."""

    code = "NS523"


class TimeUsedUpError(UsageError):
    """The run to resume has used up its `max_time` already."""

    code = "NS559"


class BrokenRunError(DataError):
    """A file of a run folder has contents that no training writes."""

    code = "NS526"


ENVIRONMENT, METRICS, FIGURES, LOG = "env.json", "metrics.jsonl", "metrics.csv", "log.txt"


class RunFolder:
    """The folder of a training: opens and locks it, and records every event."""

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.snapshots = path / SNAPSHOTS
        self._metrics: Lines | None = None
        self._log: Lines | None = None
        self._figures: list[Figures | Points] = []
        self._refused: dict[Path, OSError] = {}
        self._told: set[Path] = set()
        self._before, self._begun = 0.0, time.perf_counter()
        _refuse_file(path)
        with writable(path):
            if not resumed and not (path / _LOCK).exists():  # a folder of no run is left as it is
                _refuse_taken(path)
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            try:
                if not resumed:  # asked again under the lock: another run may just have ended here
                    _refuse_taken(path)
                self.snapshots.mkdir(exist_ok=True)
            except BaseException:
                self._lock.release()
                raise

    def begin(self, session: Session, data: list[str]) -> None:
        """Write config.yaml and env.json, and open the metrics; earlier lines from the session's iteration on go.

        Where it is over, the lines of its last tests stay: they are not made again.
        """
        iteration = session.iteration
        for left in (*self.path.glob(".*.tmp"), *self.snapshots.glob(".*.tmp")):
            left.unlink(missing_ok=True)
        job, rows = session.job, self._earlier_rows(session)
        used, limit = _used(rows), job.spec.max_time
        if limit is not None and used >= limit:  # said before a row is dropped that would not be made again
            text = f"'{self.path}' has used up its `max_time`: it has trained {used:,.1f} of {limit:,.1f} seconds"
            raise TimeUsedUpError(text, at=job.spec.place("max_time"), help="say a longer time, like max_time=8h")
        replaced = snapshot.set_aside(self.snapshots, iteration)
        write_whole(self.path / RUN_CONFIG, config(job).encode())
        about = environment(job, session.threads, data) | _classes(session)
        write_whole(self.path / ENVIRONMENT, (json.dumps(about, indent=2) + "\n").encode())
        write_whole(self.path / METRICS, "".join(json.dumps(each) + "\n" for each in rows).encode())
        for name, arrays in session.computed.used.items():
            write_whole(self.path / COMPUTED / f"{name}.npz", packed(arrays))
        self._before, self._begun = used, time.perf_counter()
        self._metrics, self._log = Lines(self.path / METRICS), Lines(self.path / LOG)
        earlier = list(_events_of(rows, self.snapshots))
        self._figures = [Figures(self.path / FIGURES, columns({"train": job.train, **job.tests()}), earlier)]
        if job.spec.tensorboard:
            self._figures.append(Points(self.path / FOLDER, earlier, self._before))
        if replaced:
            self.log(f"{counted(len(replaced), 'later snapshot')} moved to {replaced[0].parent / 'replaced'}")

    def _earlier_rows(self, session: Session) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl before the session's iteration, and of all snapshots until then."""
        path, at = self.path / METRICS, session.iteration
        last = self.snapshots / snapshot.name(at)
        rows = _earlier(path.read_text(encoding="utf-8", errors="replace"), at, session.over) if path.exists() else []
        written = any((each["event"], each["iteration"]) == ("snapshotted", at) for each in rows)
        if last.exists() and not written:  # killed after writing the snapshot, before its event
            rows.append(row(Snapshotted(at, last, epoch=session.epoch(at), elapsed=_used(rows))))
        return rows

    @property
    def elapsed(self) -> float:
        """Seconds of training so far: of this process, and before the snapshot that it resumed from."""
        return self._before + time.perf_counter() - self._begun

    def record(self, event: Event) -> None:
        """Append an event to metrics.jsonl, its figures to the files of figures, and its text to log.txt."""
        self._add(self._metrics, json.dumps(row(event)))
        for one in self._figures:
            self._refused_by(one.file, one.record(event))
        self.log(str(event))

    def log(self, text: str) -> None:
        """Append a text to log.txt, with the time."""
        self._add(self._log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    def _add(self, file: Lines | None, line: str) -> None:
        if file is not None:
            self._refused_by(file, file.add(line))

    def _refused_by(self, file: Growing, error: OSError | None) -> None:
        if error is not None:
            self._refused.setdefault(file.path, error)

    def refusals(self) -> list[Unwritten]:
        """Notes on the files that the disk began to refuse since this was last asked."""
        new = [path for path in self._refused if path not in self._told]
        self._told.update(new)
        why = "cannot be written: {}; its contents are kept until there is room"
        return [Unwritten(path, f"'{path}' {why.format(self._refused[path].strerror)}") for path in new]

    def finish(self) -> None:
        """Write the lines that the disk refused. Raises WriteError where it still refuses."""
        for figures in self._figures:
            figures.file.write()  # what it still refuses can be made from metrics.jsonl again
        for file in (self._metrics, self._log):
            if file is not None and (error := file.write()):
                raise WriteError(
                    f"the last {file.left} lines of '{file.path}' cannot be written: {error.strerror}",
                    help="the snapshots are whole without them",
                )

    def close(self) -> None:
        """Close the files and unlock the folder."""
        for file in (self._metrics, self._log, *(figures.file for figures in self._figures)):
            if file is not None:
                file.close()
        if self._metrics is None:  # a training that failed before it began leaves nothing behind
            with contextlib.suppress(OSError):
                self.snapshots.rmdir()
                (self.path / _LOCK).unlink(missing_ok=True)  # before it is given back: then it may be another's
                self.path.rmdir()
        self._lock.release()


def _classes(session: Session) -> dict[str, Any]:
    """The names of the classes of the training data, by the number of the output that they are labels of."""
    outputs = Facts.of(session.feed.data).outputs if session.feed else ()
    named = {str(number): one.classes for number, one in enumerate(outputs) if one.classes}
    return {"classes": named} if named else {}


def check_free(path: Path, resumed: bool) -> None:
    """Raise what opening a run folder would raise, as far as that can be known without writing."""
    _refuse_file(path)
    with writable(path):
        if not resumed:
            _refuse_taken(path)
        if (path / _LOCK).exists():
            _locked(path).release()
        above = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


_LOCK = ".lock"


def _locked(folder: Path) -> FileLock:
    """The lock of a run folder, taken. Raises FolderInUseError."""
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0.2)  # `is_running` takes it for a moment
        if not (folder / _LOCK).exists():  # its last owner deleted it in the meantime
            lock.release()
            raise Timeout(str(folder / _LOCK))
    except Timeout:
        raise FolderInUseError(
            f"another process is training in '{folder}'", help="wait for it, or choose another --output"
        ) from None
    return lock


def _refuse_file(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise WriteError(f"'{path}' is a file, not a folder", help="choose another --output")


def _refuse_taken(folder: Path) -> None:
    """Raise FolderTakenError if a folder holds anything that is not the rest of a start that failed."""
    if folder.is_dir() and any(map(_kept, folder.iterdir())):
        raise FolderTakenError(
            f"'{folder}' already holds files", help="say --resume to go on with that run, or another --output"
        )


def _kept(child: Path) -> bool:
    """Whether a folder holds more than a training leaves that failed, or was killed, before its first iteration."""
    if child.name == SNAPSHOTS and child.is_dir():
        return any(child.iterdir())
    return child.name != _LOCK and not (child.name.startswith(".") and child.suffix == ".tmp")


def _earlier(text: str, iteration: int, over: bool) -> list[dict[str, Any]]:
    """The rows in a text before an iteration, with those of snapshots until then; rows that are torn are left out.

    Where a training is over at that iteration, its tests stay too.
    """
    stay = {"snapshotted", "tested"} if over else {"snapshotted"}
    rows = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
            values = json.loads(line)
            at = int(values["iteration"])
            if at < iteration + (values["event"] in stay):
                rows.append(values)
    return rows


def _events_of(rows: list[dict[str, Any]], snapshots: Path) -> Iterator[Event]:
    """The events in rows; a row that no training writes is left out."""
    for each in rows:
        with contextlib.suppress(ValueError):
            yield from_row(each, snapshots)


def _used(rows: list[dict[str, Any]]) -> float:
    """The seconds of training until the last of some rows."""
    return max(map(_elapsed, rows), default=0.0)


def _elapsed(values: dict[str, Any]) -> float:
    """The seconds of training until a row; 0 where they are not recorded."""
    clock = values.get("clock")
    found = clock.get("elapsed") if isinstance(clock, dict) else None
    return float(found) if isinstance(found, int | float) else 0.0


@dataclass(frozen=True)
class RunRecord:
    """The contents of a run folder at the time of reading: configuration, environment, events, snapshots by iteration.

    A `$` in a text of `config` is doubled, as in every solver file. `failure` is the error that ended the run, where
    one did.
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    events: list[Event]
    snapshots: list[Path]
    failure: str | None = None

    @property
    def latest(self) -> Path | None:
        """The snapshot of the highest iteration, if there is one."""
        return self.snapshots[-1] if self.snapshots else None


def is_running(folder: Path) -> bool:
    """Whether a process trains in a run folder: whether its lock is taken."""
    if not (folder / _LOCK).exists():
        return False
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that nobody may write
        return False
    lock.release()
    return False


def read(folder: Path) -> RunRecord:
    """Read a run folder. A run that was killed while its folder was opened may lack env.json and events.

    Raises NoRunError where config.yaml is missing, BrokenRunError, and the errors of a document.
    """
    if not holds(folder):
        found = "is not the folder of a run: it has no config.yaml" if folder.is_dir() else "is not a folder"
        raise NoRunError(f"'{folder}' {found}", help=instead_of(folder))
    config = read_document(folder / RUN_CONFIG).plain()
    snapshots = snapshot.listing(folder / SNAPSHOTS)
    events = _events(folder / METRICS)
    return RunRecord(folder, config, _environment(folder / ENVIRONMENT), events, snapshots, last_error(folder / LOG))


def _environment(path: Path) -> dict[str, Any]:
    source = _source(path)
    return _values(source.text, source, 1) if source.text else {}


def _events(path: Path) -> list[Event]:
    """The events in metrics.jsonl; an incomplete last row, torn by a kill or still being written, is left out."""
    source = _source(path)
    *rows, rest = source.text.split("\n")
    if _whole(rest):
        rows.append(rest)
    events = []
    for line, text in enumerate(rows, 1):
        try:
            events.append(from_row(_values(text, source, line), path.parent / SNAPSHOTS))
        except ValueError as error:
            raise BrokenRunError(str(error), at=Place(source, line, 1), help=_BROKEN) from None
    return events


def _source(path: Path) -> SourceText:
    """The text of a file; empty if there is no file."""
    try:
        return SourceText(str(path), path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return SourceText(str(path), "")
    except OSError as error:
        raise BrokenRunError(f"'{path}' cannot be read: {error.strerror}") from None


def _whole(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _values(text: str, source: SourceText, line: int) -> dict[str, Any]:
    """The JSON object in a text that stands at a line of a file. Raises BrokenRunError."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        at = Place(source, line + error.lineno - 1, error.colno)
        raise BrokenRunError(f"this is no JSON: {error.msg.lower()}", at=at, help=_BROKEN) from None
    except (ValueError, RecursionError) as error:  # a number of too many digits, lists too deep in one another
        text = str(error).partition(";")[0].lower()
        raise BrokenRunError(f"this is no JSON: {text}", at=Place(source, line, 1), help=_BROKEN) from None
    if not isinstance(values, dict):
        raise BrokenRunError("this is no JSON object", at=Place(source, line, 1), help=_BROKEN)
    return values


_BROKEN = "mend or delete it; config.yaml and the snapshots are whole without it"
