"""The process that test_kill kills: `netspec train`, which stops at a chosen moment and waits there to be killed.

Run as a program it is a nursery: it imports netspec once, and for every line {"argv": [...], "kind": ..., "count": ...}
on stdin it forks a training. What it says on stdout: `reached PID` when the training waits at the count-th moment of
that kind, `ended STATUS` when it is gone. Nothing is computed before the fork: threads do not survive it.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITING = ("half written", "before fsync", "before rename", "after rename", "before folder fsync")
"""Moments at which a snapshot is being written or renamed."""
OTHER = ("before step", "in step", "after step", "before pruning", "half a row", "before a row", "opening", "running")
KINDS = (*WRITING, *OTHER)


class Moments:
    """Counts moments of one kind, and stops at one of them for ever."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.left = kind, count

    def __call__(self, kind: str) -> None:
        if kind != self.kind:
            return
        self.left -= 1
        if self.left == 0:
            sys.__stdout__.write(f"reached {os.getpid()}\n")  # type: ignore[union-attr]
            sys.__stdout__.flush()  # type: ignore[union-attr]
            while kind != "running":  # there the kill comes when it comes
                signal.pause()


class Torn:
    """A file whose every write has a moment in its middle."""

    def __init__(self, file: Any, moment: Callable[[], None]) -> None:
        self.file, self.moment = file, moment

    def write(self, content: Any) -> int:
        middle = len(content) // 2
        self.file.write(content[:middle])
        self.file.flush()
        self.moment()
        self.file.write(content[middle:])
        return len(content)

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def watch(at: Moments) -> None:
    """Put moments into everything that a training does to the disk, and around its iterations."""
    import safetensors.numpy

    from netspec.engine.program import Program
    from netspec.training.runs import RunFolder
    from netspec.training.session import Session

    fsync, rename, open_, unlink, step, run = os.fsync, os.replace, Path.open, Path.unlink, Session.step, Program.run
    record, begin, save_file = RunFolder.record, RunFolder.begin, safetensors.numpy.save_file

    def is_snapshot(path: Any) -> bool:
        return ".safetensors" in str(path)

    def fsync_(file: int) -> None:
        folder = stat.S_ISDIR(os.fstat(file).st_mode)
        path = os.readlink(f"/proc/self/fd/{file}")
        if folder:
            at("before folder fsync" if path.endswith("snapshots") else "opening")
        else:
            at("before fsync" if is_snapshot(path) else "opening")
        fsync(file)

    def rename_(source: Any, target: Any) -> None:
        at("before rename" if is_snapshot(target) else "opening")
        rename(source, target)
        at("after rename" if is_snapshot(target) else "opening")

    def opened(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = open_(self, mode, *args, **options)
        if mode != "wb":
            return file
        return Torn(file, lambda: at("half written" if is_snapshot(self) else "opening"))

    def saved(arrays: Any, path: Path, *about: Any) -> None:
        save_file(arrays, path, *about)
        if is_snapshot(path):
            whole = path.read_bytes()
            os.truncate(path, len(whole) // 2)
            at("half written")
            path.write_bytes(whole)

    def unlinked(self: Path, missing_ok: bool = False) -> None:
        at("before pruning")
        unlink(self, missing_ok)

    def stepped(self: Session) -> float:
        at("before step")
        at("running")
        loss = step(self)
        at("after step")
        return loss

    def ran(self: Program, *sections: str) -> None:
        if sections[-1] != "commit":
            run(self, *sections)
            return
        run(self, sections[0], "watch")
        at("in step")  # gradients there, weights not yet changed
        run(self, "update", "commit")

    def recorded(self: RunFolder, *args: Any) -> None:
        at("before a row")
        record(self, *args)

    def begun(self: RunFolder, *args: Any) -> None:
        begin(self, *args)
        self._metrics._file = Torn(self._metrics._file, lambda: at("half a row"))

    os.fsync, os.replace, Path.open, Path.unlink = fsync_, rename_, opened, unlinked  # type: ignore[assignment]
    safetensors.numpy.save_file = saved
    Session.step, Program.run, RunFolder.record, RunFolder.begin = stepped, ran, recorded, begun  # type: ignore[method-assign]


def train(argv: list[str], kind: str, count: int) -> None:
    from netspec.cli import app

    watch(Moments(kind, count))
    sys.argv = ["netspec", "train", *argv]
    app.main()


def nursery() -> None:
    from netspec.cli import app
    from netspec.kernels import conv, copy, inner_product, loss, metric, softmax, update  # noqa: F401
    from netspec.training import runs  # noqa: F401 - what every child needs

    app._commands()
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            globals()["train"](**json.loads(line))
        _, status = os.waitpid(child, 0)
        print("ended", status, flush=True)  # noqa: T201


if __name__ == "__main__":
    nursery()
