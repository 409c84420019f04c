"""How far a training is: means since the last progress line, the epoch, and the TRAIN net's own scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.training.events import Display, Progress
from netspec.training.job import load_solver
from netspec.training.run import run

Solver = Callable[..., dict[str, Any]]


def followed(values: dict[str, Any], folder: Path) -> list[tuple[Display, Progress]]:
    """Each progress line of a training, with the progress at that moment."""
    training = run(load_solver(values), folder)
    return [(event, training.progress) for event in training if isinstance(event, Display)]


def test_means_over_the_iterations_since_the_last_line(solver: Solver, tmp_path: Path) -> None:
    values = solver(max_iter=11, iter_size=2, average_loss=2)
    values["net"]["layers"][-2].pop("include")  # accuracy in the TRAIN net too
    each = followed({**values, "display": 1, "average_loss": 1}, tmp_path / "each")
    lines = followed({**values, "display": 4}, tmp_path / "lines")
    assert [(event.iteration, now.iteration, now.over) for event, now in lines] == [(0, 1, 1), (4, 5, 4), (8, 9, 4)]
    for begin, (event, now) in zip((0, 1, 5), lines, strict=True):
        since = each[begin : event.iteration + 1]
        assert now.mean == pytest.approx(sum(one.loss for one, _ in since) / now.over)
        assert now.scores == {"accuracy": pytest.approx(sum(one.outputs["accuracy"] for one, _ in since) / now.over)}
        assert now.epoch == pytest.approx(now.iteration * 4 * 2 / 23)
    assert lines[1][0].loss == pytest.approx((each[3][0].loss + each[4][0].loss) / 2), "the event keeps average_loss"
