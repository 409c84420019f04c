"""metrics.csv: its columns and rows, after a resume as without one, whatever a kill or a full disk left."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.training.events import Display, Event, Unwritten
from netspec.training.events import Tested as Scored
from netspec.training.figures import CLOCK, columns, figures
from netspec.training.job import load_solver
from netspec.training.lines import Lines
from netspec.training.run import run

Make = Callable[..., dict[str, Any]]


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def timeless(folder: Path) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name not in CLOCK} for row in read(folder)]


def test_a_row_for_each_progress_line_and_each_test(solver: Make, tmp_path: Path) -> None:
    job = load_solver(solver(max_iter=4, display=2, test_interval=2))
    shown = [event for event in run(job, tmp_path) if isinstance(event, Display | Scored)]
    names = ["iteration", "epoch", "loss", "rate", "gradient", "train/loss", "test/accuracy", "test/loss"]
    rows = read(tmp_path)
    assert list(rows[0]) == [*names, "elapsed", "speed"]
    assert [(int(row["iteration"]), bool(row["loss"])) for row in rows] == [
        (0, False), (0, True), (2, False), (2, True), (4, False),
    ]  # fmt: skip
    for row, event in zip(rows, shown, strict=True):
        assert {name: float(cell) for name, cell in row.items() if cell} == figures(event)
    assert float(rows[2]["epoch"]) == 2 * 4 / 23
    assert float(rows[2]["test/accuracy"]) == shown[2].outputs["accuracy"]


def test_a_resume_leaves_the_file_as_if_there_had_been_none(solver: Make, tmp_path: Path) -> None:
    values = solver(max_iter=8, display=1, test_interval=3, snapshot=2)
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    list(run(load_solver(values), whole))
    list(run(load_solver(values, ["max_iter=5"]), pieces))
    path = pieces / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-7])  # torn by a kill
    list(run(load_solver(values), pieces, resume=pieces / "snapshots" / "iter_000004.safetensors"))
    assert timeless(pieces) == timeless(whole)
    assert len(timeless(whole)) == 8 + 4


def test_a_run_of_an_earlier_version_gets_the_file_on_resume(solver: Make, tmp_path: Path) -> None:
    values = solver(max_iter=4, display=1, snapshot=2)
    list(run(load_solver(values), tmp_path))
    before = timeless(tmp_path)
    (tmp_path / "metrics.csv").unlink()
    foreign = json.dumps({"event": "exploded", "iteration": 0})
    rows = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(f"{foreign}\n[1]\n{rows}")
    list(run(load_solver(values), tmp_path, resume=tmp_path / "snapshots" / "iter_000002.safetensors"))
    assert timeless(tmp_path) == before


def test_vectors_have_a_column_for_each_value_and_matrices_none(solver: Make) -> None:
    values = solver()
    values["net"]["layers"] += [
        {"name": "recall", "type": "Accuracy", "bottom": ["ip", "label"], "top": ["all, of them", "each"]},
        {"name": "confusion", "type": "ConfusionMatrix", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
    ]
    job = load_solver(values)
    found = columns({"train": job.train, "test": job.nets["TEST"]})
    assert {"train/all, of them", "test/all, of them", *(f"test/each[{i}]" for i in range(3))} <= {*found}
    assert not [name for name in found if "confusion" in name] and len({*found}) == len(found)


def test_a_number_that_is_not_finite_is_an_empty_cell(solver: Make, tmp_path: Path) -> None:
    from netspec.training.figures import Figures

    event = Display(3, 0.5, {"a,b": float("nan")}, 0.1, float("inf"), 640.0, 12.5)
    one = Figures(tmp_path / "x.csv", ("iteration", "loss", "gradient", "train/a,b"), [event])
    one.record(event)
    one.file.close()
    assert (tmp_path / "x.csv").read_text() == 'iteration,loss,gradient,"train/a,b"\n' + "3,0.5,,\n" * 2


def test_a_disk_that_is_full_for_a_while_loses_no_row(
    solver: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = Lines.write, [False]

    def refused(self: Lines) -> OSError | None:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full[0] else write(self)

    monkeypatch.setattr(Lines, "write", refused)
    told = []
    for event in run(load_solver(solver(max_iter=8, display=1)), tmp_path):
        full[0] = isinstance(event, Event) and 2 <= event.iteration < 5
        told += [str(event)] if isinstance(event, Unwritten) else []
    assert [text for text in told if "metrics.csv' cannot be written: No space left on device" in text]
    assert [int(row["iteration"]) for row in read(tmp_path)] == [*range(8), 8]
