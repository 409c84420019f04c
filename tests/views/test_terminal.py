"""Lines of a training and its end, built from plain values."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

from netspec.training.events import Display, Finished, Progress
from netspec.training.events import Tested as Scored
from netspec.training.watch import Metric
from netspec.views.terminal import done, progress_line

LINE = Display(400, 0.71, {"loss": 0.71, "accuracy": 0.5, "each[1]": 0.25}, 0.01, 1.5, 7292.4, 12.3)
NOW = Progress(401, 500, 0.71, 0.01, 64, 0.42345, 100, {"accuracy": 0.8734}, 2.5664)
TESTS = [
    Scored(i, {"accuracy": a, "loss": b}, 11, 0.1, epoch=i / 40)
    for i, a, b in ((0, 0.1, 2.3), (100, 0.9, nan), (200, 0.9, 0.4))
]


def test_a_line_of_progress_shows_means_and_the_epoch() -> None:
    means = "loss 0.4234 accuracy 0.8734 (mean of 100) each[1] 0.25"
    assert progress_line(LINE, NOW) == f"iter 400 epoch 2.57 {means} lr 0.01 7,292 img/s eta 0:00:12"
    first = replace(NOW, over=1, epoch=None, scores={})
    assert progress_line(replace(LINE, outputs={}, left=nan), first) == "iter 400 loss 0.4234 lr 0.01 7,292 img/s eta ?"


def test_the_end_names_the_best_test_the_folder_and_the_next_commands() -> None:
    end = Finished(500, None, 61.0, 0.0)
    folder = Path("runs/a net-1")
    assert done(end, TESTS, Metric("test/accuracy", True), folder).splitlines() == [
        "done at iter 500 after 0:01:01",
        "best test/accuracy 0.9000 at iter 100 epoch 2.50",
        "run folder runs/a net-1",
        "next: netspec test 'runs/a net-1'; netspec report 'runs/a net-1'",
    ]
    assert "best test/loss 0.4000 at iter 200 epoch 5.00" in done(end, TESTS, Metric("test/loss", False), folder)
    stopped = done(replace(end, stopped="SIGINT"), [], Metric("test/accuracy", True), folder)
    assert stopped == "done at iter 500 after 0:01:01, stopped by SIGINT\nrun folder runs/a net-1"
