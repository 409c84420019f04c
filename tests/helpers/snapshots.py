"""Snapshots of nets that were never trained: their weights are their fillers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.training.job import load_solver
from netspec.training.session import Session


def snapshot_of(path: Path, layers: list[dict[str, Any]], data: dict[str, Any], **solver: Any) -> Path:
    """Write the snapshot of a net of these layers and data, before its first iteration; returns the path."""
    values = {"net": {"name": "net", "layers": layers}, "data": data, "base_lr": 0.1, "lr_policy": "fixed"}
    session = Session(load_solver({**values, "max_iter": 1, "test_interval": None, **solver}))
    session.snapshot(path)
    session.close()
    return path
