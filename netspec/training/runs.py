"""Run folders: what a training leaves behind. config.yaml (resolved), metrics.jsonl, log.txt, env.json, snapshots/.

A folder is locked while it trains. On resume, lines of metrics.jsonl at or after the snapshot's iteration are dropped, so that the
file ends as if the run had never been interrupted; later snapshots, of a run that goes on from an earlier one, are set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from netspec.core.errors import MachineError, UsageError
from netspec.core.shape import clock
from netspec.language.document import dump
from netspec.training import snapshot
from netspec.training.events import Display, Event, Snapshotted, Tested
from netspec.training.job import Job


class FolderInUseError(MachineError):
    """Another process trains in this folder."""

    code = "NS522"


class FolderTakenError(UsageError):
    """A new run may not write over an old one."""

    code = "NS523"


class NoRunError(UsageError):
    """There is nothing to resume."""

    code = "NS524"


def fresh_folder(name: str) -> Path:
    """The first of runs/NAME-1, runs/NAME-2, ... that does not exist."""
    root = Path(os.environ.get("NETSPEC_RUNS_DIR", "runs"))
    number = 1
    while (root / f"{name}-{number}").exists():
        number += 1
    return root / f"{name}-{number}"


def latest_folder(name: str) -> Path:
    """The run of this name with the highest number that holds a snapshot. Raises NoRunError."""
    root = Path(os.environ.get("NETSPEC_RUNS_DIR", "runs"))
    numbered = [
        (int(p.name.rpartition("-")[2]), p) for p in root.glob(f"{name}-*") if p.name.rpartition("-")[2].isdigit()
    ]
    found = [
        path
        for _, path in sorted(numbered)
        if path.name.rpartition("-")[0] == name and snapshot.latest(path / "snapshots")
    ]
    if not found:
        raise NoRunError(
            f"no run of '{name}' in '{root}' has a snapshot to resume from", help="say --output DIR or --resume FILE"
        )
    return found[-1]


class RunFolder:
    """The folder of one training: opened and locked, and told every event."""

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.snapshots = path / "snapshots"
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
        """Write config.yaml and env.json, and open the metrics for an iteration to begin at."""
        for left in (*self.path.glob(".*.tmp"), *self.snapshots.glob(".*.tmp")):
            left.unlink(missing_ok=True)
        replaced = snapshot.set_aside(self.snapshots, iteration)
        snapshot.write_whole(self.path / "config.yaml", config(job).encode())
        snapshot.write_whole(self.path / "env.json", (json.dumps(environment(threads, data), indent=2) + "\n").encode())
        path = self.path / "metrics.jsonl"
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _before(line, iteration)]
            begun_from = self.snapshots / snapshot.name(iteration)
            last = json.dumps(row(Snapshotted(iteration, begun_from)))
            if begun_from.exists() and last not in kept:  # killed between writing it and saying so
                kept.append(last)
            snapshot.write_whole(path, "".join(line + "\n" for line in kept).encode())
        self._metrics = path.open("a", encoding="utf-8")
        self._log = (self.path / "log.txt").open("a", encoding="utf-8")
        if replaced:
            self.log(f"{len(replaced)} later snapshots moved to {replaced[0].parent / 'replaced'}")

    def record(self, event: Event, line: str) -> None:
        """Add an event to metrics.jsonl, and its line to log.txt."""
        if self._metrics is not None:
            self._metrics.write(json.dumps(row(event)) + "\n")
            self._metrics.flush()
        self.log(line)

    def log(self, line: str) -> None:
        """Add a line to log.txt, with the time."""
        if self._log is not None and line:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
            self._log.flush()

    def close(self) -> None:
        """Close the files and free the folder."""
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
    """Whether something in a folder is more than what a training leaves that failed, or was killed, before it began."""
    if child.name == "snapshots" and child.is_dir():
        return any(child.iterdir())
    return child.name != ".lock" and not (child.name.startswith(".") and child.suffix == ".tmp")


def _before(line: str, iteration: int) -> bool:
    try:
        values = json.loads(line)
    except ValueError:
        return False
    at = int(values.get("iteration", 0))
    return at <= iteration if values.get("event") == "snapshotted" else at < iteration


def row(event: Event) -> dict[str, Any]:
    """An event as one line of metrics.jsonl; numbers that JSON does not know become null."""
    values = asdict(event)
    if isinstance(event, Snapshotted):
        values["path"] = event.path.name
    clean = {
        k: _number(v) if not isinstance(v, dict) else {n: _number(x) for n, x in v.items()} for k, v in values.items()
    }
    return {"event": type(event).__name__.lower(), **clean}


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and value - value != 0 else value


def line(event: Event) -> str:
    """An event as one plain line, for logs and for terminals that are none."""
    if isinstance(event, Display):
        values = " ".join(f"{name} {value:.4g}" for name, value in event.outputs.items() if name != "loss")
        text = f"iter {event.iteration} loss {event.loss:.4g} {values} lr {event.rate:.4g} {event.speed:,.0f} img/s eta {clock(event.left)}"
        return " ".join(text.split())
    if isinstance(event, Tested):
        values = " ".join(f"{name} {value:.4f}" for name, value in event.outputs.items())
        return f"test at iter {event.iteration}: {values} ({event.samples:,} samples, {event.seconds:.1f} s)"
    if isinstance(event, Snapshotted):
        return f"snapshot {event.path}"
    why = f", stopped by {event.stopped}" if event.stopped else ""
    return f"done at iter {event.iteration} after {clock(event.seconds)}{why}"


def config(job: Job) -> str:
    """The resolved solver with its net inside and absolute paths, as YAML that `netspec train` takes from anywhere."""
    values = job.with_paths(lambda path: str((job.base / Path(path).expanduser()).resolve()))
    return "# Written by netspec: the solver with its net, overrides applied and variables replaced.\n" + dump(
        _literal(values)
    )


def _literal(value: Any) -> Any:
    """A `$` in resolved text means itself: doubled, it is read as one."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_literal(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def environment(threads: int, data: list[str]) -> dict[str, Any]:
    """What a run ran on: versions, CPU, threads, data."""
    import psutil

    from netspec.codegen import kernel as jit

    names = ("netspec", "numpy", "numba", "llvmlite", "pydantic", "safetensors")
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: metadata.version(name) for name in names},
        "cpu": jit.cpu_name(),
        "cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": threads,
        "threading_layer": jit.threading_layer(),
        "data": data,
    }
