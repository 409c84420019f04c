"""Run folders, as tests compare them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def rows(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without their clock, and without snapshots, of which an interrupted run has more."""
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in row.items() if k != "clock"} for row in read if row["event"] != "snapshotted"]
