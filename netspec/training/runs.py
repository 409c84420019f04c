"""Run folders: writes the files that a training leaves behind, and reads them back.

config.yaml (resolved), metrics.jsonl, log.txt, env.json, snapshots/.

A folder is locked during its training. On resume, lines of metrics.jsonl at or after the snapshot's iteration are
dropped, so that the file ends as if the run had never been interrupted. If a run resumes from a snapshot other than
the latest, the later snapshots are set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from netspec.core import code_files
from netspec.core.errors import DataError, MachineError, UsageError
from netspec.core.places import Place, SourceText
from netspec.core.shape import counted
from netspec.language.document import dump
from netspec.language.files import read as read_document
from netspec.training import snapshot
from netspec.training.events import Event, Snapshotted, from_row, row
from netspec.training.job import Job


class FolderInUseError(MachineError):
    """Another process trains in this folder."""

    code = "NS522"


class FolderTakenError(UsageError):
    """A new run may not overwrite an old run."""

    code = "NS523"


class NoRunError(UsageError):
    """There is no run in that folder, or nothing to resume."""

    code = "NS524"


class BrokenRunError(DataError):
    """A file of a run folder has contents that no training writes."""

    code = "NS526"


CONFIG, ENVIRONMENT, METRICS, LOG, SNAPSHOTS = "config.yaml", "env.json", "metrics.jsonl", "log.txt", "snapshots"


def holds(folder: Path) -> bool:
    """Whether a folder is a run folder."""
    return (folder / CONFIG).is_file()


def fresh_folder(name: str) -> Path:
    """The first of runs/NAME-1, runs/NAME-2, ... that does not exist."""
    root = Path(os.environ.get("NETSPEC_RUNS_DIR", "runs"))
    number = 1
    while (root / f"{name}-{number}").exists():
        number += 1
    return root / f"{name}-{number}"


def latest_folder(name: str) -> Path:
    """The run folder of this name with the highest number among those with a snapshot. Raises NoRunError."""
    root = Path(os.environ.get("NETSPEC_RUNS_DIR", "runs"))
    numbered = [
        (int(p.name.rpartition("-")[2]), p) for p in root.glob(f"{name}-*") if p.name.rpartition("-")[2].isdigit()
    ]
    found = [
        path
        for _, path in sorted(numbered)
        if path.name.rpartition("-")[0] == name and snapshot.latest(path / SNAPSHOTS)
    ]
    if not found:
        raise NoRunError(
            f"no run of '{name}' in '{root}' has a snapshot to resume from", help="say --output DIR or --resume FILE"
        )
    return found[-1]


def places(name: str, folder: Path | None, resume: bool | Path) -> tuple[Path, Path | None]:
    """The folder of a run of this name, and the snapshot to resume from; None for a start at the first iteration.

    `resume` is a snapshot, a folder of snapshots, or True for the latest of the run folder. If no folder is
    given, it is that of the snapshot; else, among runs/NAME-1, runs/NAME-2, ..., the last for a resume and the next for
    a new run. Raises NoRunError.
    """
    if resume is False:
        return folder or fresh_folder(name), None
    if resume is True:
        folder = folder or latest_folder(name)
        file = snapshot.latest(folder / SNAPSHOTS)
        if file is None and not (folder / CONFIG).exists():
            raise NoRunError(
                f"'{folder}' holds no snapshot to resume from", help="say --resume FILE, or leave --resume out"
            )
        return folder, file
    file = resume
    if file.is_dir():
        file = snapshot.latest(file / SNAPSHOTS) or snapshot.latest(file) or file
    home = file.parent.parent if file.parent.name == SNAPSHOTS else None
    folder = folder or home or fresh_folder(name)
    stopped_early = file.is_dir() and file == folder / SNAPSHOTS
    return folder, None if stopped_early else file


def ask_for_code(name: str, folder: Path | None, snapshot: Path | None) -> None:
    """Raise MissingCodeError if the run to resume was trained with a code file that is not given now.

    `name` is the solver's. It finds the run if neither its folder nor a snapshot is given.
    """
    folders = [folder] if folder else []
    folders += [snapshot, snapshot.parent, snapshot.parent.parent] if snapshot else []
    if not folders:
        with contextlib.suppress(NoRunError):
            folders = [latest_folder(name)]
    for each in folders:
        code_files.ask_for(each)


class RunFolder:
    """The folder of a training: opens and locks it, and records every event."""

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.snapshots = path / SNAPSHOTS
        if path.exists() and not path.is_dir():
            raise snapshot.WriteError(f"'{path}' is a file, not a folder", help="choose another --output")
        if not resumed and path.is_dir() and any(map(_kept, path.iterdir())):
            raise FolderTakenError(
                f"'{path}' already holds files", help="say --resume to go on with that run, or another --output"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.snapshots.mkdir(exist_ok=True)
            self._lock = FileLock(path / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise FolderInUseError(
                f"another process is training in '{path}'", help="wait for it, or choose another --output"
            ) from None
        except OSError as error:
            raise snapshot.WriteError(
                f"'{path}' cannot be written: {error.strerror}", help="choose another --output"
            ) from None
        self._metrics: IO[str] | None = None
        self._log: IO[str] | None = None

    def begin(self, job: Job, iteration: int, threads: int, data: list[str]) -> None:
        """Write config.yaml and env.json, and open the metrics; earlier lines from `iteration` on are dropped."""
        for left in (*self.path.glob(".*.tmp"), *self.snapshots.glob(".*.tmp")):
            left.unlink(missing_ok=True)
        replaced = snapshot.set_aside(self.snapshots, iteration)
        snapshot.write_whole(self.path / CONFIG, config(job).encode())
        snapshot.write_whole(
            self.path / ENVIRONMENT, (json.dumps(environment(threads, data), indent=2) + "\n").encode()
        )
        path = self.path / METRICS
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _before(line, iteration)]
            begun_from = self.snapshots / snapshot.name(iteration)
            last = json.dumps(row(Snapshotted(iteration, begun_from)))
            if begun_from.exists() and last not in kept:  # killed after writing the snapshot, before its event
                kept.append(last)
            snapshot.write_whole(path, "".join(line + "\n" for line in kept).encode())
        self._metrics = path.open("a", encoding="utf-8")
        self._log = (self.path / LOG).open("a", encoding="utf-8")
        if replaced:
            self.log(f"{counted(len(replaced), 'later snapshot')} moved to {replaced[0].parent / 'replaced'}")

    def record(self, event: Event) -> None:
        """Append an event to metrics.jsonl, and its text to log.txt."""
        if self._metrics is not None:
            self._metrics.write(json.dumps(row(event)) + "\n")
            self._metrics.flush()
        self.log(str(event))

    def log(self, text: str) -> None:
        """Append a text to log.txt, with the time."""
        if self._log is not None:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            self._log.flush()

    def close(self) -> None:
        """Close the files and unlock the folder."""
        for file in (self._metrics, self._log):
            if file is not None:
                file.close()
        self._lock.release()
        if self._metrics is None:  # a training that failed before it began leaves nothing behind
            with contextlib.suppress(OSError):
                (self.path / ".lock").unlink(missing_ok=True)
                self.snapshots.rmdir()
                self.path.rmdir()


def _kept(child: Path) -> bool:
    """Whether a folder holds more than a training leaves that failed, or was killed, before its first iteration."""
    if child.name == SNAPSHOTS and child.is_dir():
        return any(child.iterdir())
    return child.name != ".lock" and not (child.name.startswith(".") and child.suffix == ".tmp")


def _before(line: str, iteration: int) -> bool:
    try:
        values = json.loads(line)
    except ValueError:
        return False
    at = int(values.get("iteration", 0))
    return at <= iteration if values.get("event") == "snapshotted" else at < iteration


def config(job: Job) -> str:
    """The resolved solver with its net inside and absolute paths, as YAML for `netspec train` in any folder."""
    values = job.with_paths(lambda path: str((job.base / Path(path).expanduser()).resolve()))
    values = {key: value for key, value in values.items() if key != "reached"}  # of another run
    return "# Written by netspec: the solver with its net, overrides applied and variables replaced.\n" + dump(
        _literal(values)
    )


def _literal(value: Any) -> Any:
    """Plain values with every `$` doubled: resolved text has no variables, and `$$` is read as a dollar sign."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_literal(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def environment(threads: int, data: list[str]) -> dict[str, Any]:
    """The environment of a run: versions, CPU, threads, data."""
    import psutil

    from netspec.codegen import cache, driver

    names = ("netspec", "numpy", "numba", "llvmlite", "pydantic", "safetensors")
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: metadata.version(name) for name in names},
        "cpu": cache.cpu_name(),
        "cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": threads,
        "threading_layer": driver.threading_layer(),
        "data": data,
        **({"code": code} if (code := code_files.recorded()) else {}),
    }


@dataclass(frozen=True)
class RunRecord:
    """The contents of a run folder at the time of reading: configuration, environment, events, snapshots by iteration.

    A `$` in a text of `config` is doubled, as in every solver file.
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    events: list[Event]
    snapshots: list[Path]

    @property
    def latest(self) -> Path | None:
        """The snapshot of the highest iteration, if there is one."""
        return self.snapshots[-1] if self.snapshots else None


def read(folder: Path) -> RunRecord:
    """Read a run folder. A run that was killed while its folder was opened may lack env.json and events.

    Raises NoRunError where config.yaml is missing, BrokenRunError, and the errors of a document.
    """
    if not holds(folder):
        found = "is not the folder of a run: it has no config.yaml" if folder.is_dir() else "is not a folder"
        raise NoRunError(f"'{folder}' {found}", help="name a folder that `netspec train` wrote")
    config = read_document(folder / CONFIG).plain()
    snapshots = snapshot.listing(folder / SNAPSHOTS)
    return RunRecord(folder, config, _environment(folder / ENVIRONMENT), _events(folder / METRICS), snapshots)


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
    except ValueError:
        return False
    return True


def _values(text: str, source: SourceText, line: int) -> dict[str, Any]:
    """The JSON object in a text that stands at a line of a file. Raises BrokenRunError."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        at = Place(source, line + error.lineno - 1, error.colno)
        raise BrokenRunError(f"this is no JSON: {error.msg.lower()}", at=at, help=_BROKEN) from None
    if not isinstance(values, dict):
        raise BrokenRunError("this is no JSON object", at=Place(source, line, 1), help=_BROKEN)
    return values


_BROKEN = "mend or delete it; config.yaml and the snapshots are whole without it"
