"""Trainings that are ended and go on, and what must then be as in one that nothing ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.training.job import load_solver
from netspec.training.run import run
from tests.helpers.runs import rows, table


def drive(made: dict[str, Any], run_folder: Path, threads: int, at: int | None = None, killed: bool = False) -> None:
    """Train or go on, until an iteration: there the training is stopped with a snapshot, or dropped as it is."""

    def reached() -> bool:
        return at is not None and training.progress.iteration >= at

    def stopping() -> str | None:
        return "the test" if reached() and not killed else None

    begun = (run_folder / "config.yaml").exists()
    with run(load_solver(made), run_folder, resume=begun, threads=threads, stopping=stopping) as training:
        for _ in training:
            if killed and reached():
                return


def same(folder: Path) -> None:
    """The run has the snapshots and the metrics of the whole one."""
    snapshots = sorted((folder / "whole/snapshots").glob("*.safetensors"))
    assert len(snapshots) >= 5
    for path in snapshots:
        assert (folder / "run/snapshots" / path.name).read_bytes() == path.read_bytes(), path.name
    assert rows(folder / "run") == rows(folder / "whole")
    assert table(folder / "run") == table(folder / "whole") != []
