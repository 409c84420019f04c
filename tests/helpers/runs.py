"""Run folders, as tests compare them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from netspec.training import figures
from netspec.training.events import Event, row
from netspec.training.events import Tested as Scored


def rows(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without their clock, and without snapshots, of which an interrupted run has more."""
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in row.items() if k != "clock"} for row in read if row["event"] != "snapshotted"]


def table(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without the columns of the clock."""
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k not in figures.CLOCK} for row in csv.DictReader(file)]


ENVIRONMENT = {"metric": "test/accuracy", "mode": "max", "net": "tiny", "started": "2026-11-28T10:00:00+0000"}


def written(folder: Path, config: str, events: list[Event], environment: Any = ENVIRONMENT) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config)
    (folder / "env.json").write_text(json.dumps(environment))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row(event)) + "\n" for event in events))
    return folder


def scored(iteration: int, accuracy: float, loss: float = 0.5) -> Scored:
    return Scored(iteration, {"accuracy": accuracy, "loss": loss}, 11, 0.1, epoch=iteration / 10, elapsed=iteration)


TESTS: list[Event] = [scored(0, 0.1, 2.0), scored(10, 0.7, 0.3), scored(20, 0.9, 0.7), scored(30, 0.8, 0.6)]
