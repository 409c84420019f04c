"""The live line of a training, built from plain values."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from netspec.training.events import Progress
from netspec.views import terminal
from netspec.views.terminal import TrainingLine


def shown(line: TrainingLine, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(line)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_line_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now, clock = Progress(10, 310, float("nan"), 0.01, 128), 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock)
    line = TrainingLine(lambda: now)
    assert shown(line, 40) == "iter 10/310  lr 0.01\n"  # no iteration yet: no loss, no pace
    now, clock = replace(now, iteration=60, loss=0.51239), 102.0
    line.scores = {"accuracy": 0.25, "loss": 1.5}
    words = "iter 60/310  loss 0.5124  lr 0.01  3,200 img/s  eta 0:00:10  test accuracy 0.2500"
    assert shown(line, 90) == words + "\n"
    wide = shown(line, 140)
    assert wide.rstrip().endswith(words) and len(wide) > len(words) + 24  # with a bar
    assert shown(line, 60).rstrip().endswith("…")
