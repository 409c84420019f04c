"""A training while the disk is full, and while its data files change."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.outputs import WriteError
from netspec.formats.files import ChangedDataError
from netspec.training import container
from netspec.training.events import Display, Snapshotted, Unwritten
from netspec.training.job import load_solver
from netspec.training.lines import Lines
from netspec.training.run import run

Make = Callable[..., dict[str, Any]]


class Disk:
    """A raw file on a disk that has room for so many bytes more."""

    def __init__(self, path: Path, room: int) -> None:
        self.file, self.room = path.open("ab", buffering=0), room

    def write(self, content: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.file.write(content[: self.room])
        self.room -= taken
        return taken

    def close(self) -> None:
        self.file.close()


def test_lines_are_kept_until_there_is_room(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "x")
    lines.close()
    lines._file = disk = Disk(tmp_path / "x", 10)  # type: ignore[assignment]
    assert lines.add("one") is None
    refused = lines.add("the second")
    assert refused is not None and refused.errno == errno.ENOSPC and lines.left == 1
    assert lines.add("three") is not None and lines.left == 2
    assert (tmp_path / "x").read_text() == "one\nthe se"
    disk.room = 1000
    assert lines.add("four") is None and lines.left == 0
    lines.close()
    assert (tmp_path / "x").read_text() == "one\nthe second\nthree\nfour\n"


@pytest.mark.parametrize("again", [True, False])
def test_a_full_disk_does_not_end_a_training(
    again: bool, solver: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from iteration 4 on; `again`: until iteration 12, else for ever."""
    full: list[str] = []
    replacing, write = container.replacing, Lines.write

    def refused(self: Lines) -> OSError | None:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else write(self)

    def whole(path: Path) -> AbstractContextManager[Path]:
        if full:
            raise WriteError(f"'{path}' cannot be written: No space left on device")
        return replacing(path)

    monkeypatch.setattr(Lines, "write", refused)
    monkeypatch.setattr(container, "replacing", whole)
    job = load_solver(solver(max_iter=16, display=1, snapshot=4, snapshot_after_train=False), [])
    found: list[Any] = []

    def all_of_it() -> None:
        for event in run(job, tmp_path / "run"):
            found.append(event)
            if isinstance(event, Display):
                full[:] = ["full"] * (event.iteration >= 2 and not (again and event.iteration >= 10))

    if again:
        all_of_it()
    else:
        with pytest.raises(WriteError, match=r"iter_000016\.safetensors' cannot be written: No space left"):
            all_of_it()
    told = [str(event) for event in found if isinstance(event, Unwritten)]
    assert len([text for text in told if "metrics.jsonl' cannot be written: No space left" in text]) == 1
    assert len([text for text in told if "log.txt' cannot be written" in text]) == 1
    skipped = [text for text in told if "; there is no snapshot of iteration " in text]
    assert len(skipped) == (2 if again else 4)
    assert [event.iteration for event in found if isinstance(event, Display)] == list(range(16))
    assert [event.iteration for event in found if isinstance(event, Snapshotted)] == ([12, 16] if again else [])
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    iterations = [row["iteration"] for row in rows if row["event"] == "display"]
    assert iterations == list(range(16 if again else 3))


def test_lines_that_stay_unwritten_are_an_error_at_the_end(
    solver: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lines, "write", lambda self: OSError(errno.EIO, "Input/output error"))
    training = run(load_solver(solver(max_iter=4, display=1), []), tmp_path / "run")
    with pytest.raises(WriteError, match=r"the last 7 lines of '.*metrics\.jsonl' cannot be written: Input/output"):
        list(training)
    assert (tmp_path / "run/snapshots/iter_000004.safetensors").exists()


@pytest.mark.parametrize("name", ["train_x.npy", "train_y.npy", "test_x.npy"])
def test_data_that_shrink_while_a_training_reads_them(name: str, solver: Make, arrays: Path, tmp_path: Path) -> None:
    for path in arrays.glob("*.npy"):
        np.save(tmp_path / path.name, np.load(path))
    values = solver(max_iter=1000, display=2, test_interval=50)
    for feed in values["data"].values():
        feed["source"]["outputs"] = [str(tmp_path / Path(path).name) for path in feed["source"]["outputs"]]
    training = run(load_solver(values, []), tmp_path / "run")
    path = tmp_path / name
    with pytest.raises(ChangedDataError, match=f"{name}' was cut from .* bytes while it was in use"):
        for event in training:
            if isinstance(event, Display) and event.iteration == 4:
                os.truncate(path, path.stat().st_size // 2)
    assert "while it was in use" in (tmp_path / "run/log.txt").read_text()
