"""A training with each policy and warm-up has the rates that its schedule says, in one piece and in several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.training import runs
from netspec.training.events import Display
from netspec.training.job import load_solver
from netspec.training.policies.base import POLICIES
from netspec.training.run import run
from netspec.training.schedule import of_run

FIELDS: dict[str, dict[str, Any]] = {
    "cosine": {"length": "1 epoch", "growth": 2, "min_lr": 0.001},
    "exp": {"gamma": 0.9},
    "fixed": {},
    "inv": {"gamma": 0.01, "power": 0.75},
    "inverse_sqrt": {"timescale": 3},
    "inverse_time": {"timescale": "1 epoch"},
    "linear": {},
    "multistep": {"gamma": 0.5, "stepvalue": ("1 epoch", 9)},
    "one_cycle": {},
    "piecewise": {"points": ({"at": 2, "rate": 0.2}, {"at": "2 epochs", "rate": 0.0})},
    "plateau": {"metric": "test/loss", "mode": "max", "patience": 1, "factor": 0.5, "cooldown": 1},
    "poly": {"power": 0.5},
    "sigmoid": {"gamma": 0.5, "stepsize": 4},
    "step": {"gamma": 0.5, "stepsize": "1 epoch"},
    "triangular": {"stepsize": 3, "max_lr": 0.2},
}
SHORT = {"cosine", "plateau"}
"""Policies that are tried in every run of the tests."""
LAST, STOPS = 13, (9, 14, 20)


def test_every_policy_is_here() -> None:
    assert FIELDS.keys() == set(POLICIES.words())


def stopping_after(times: int) -> Callable[[], str | None]:
    """A reason to stop, once the training has asked so many times."""
    left: Iterator[int] = iter(range(times))
    return lambda: None if next(left, None) is not None else "asked to"


def trained(values: dict[str, Any], folder: Path, stops: tuple[int, ...]) -> tuple[bytes, list[Any]]:
    """The bytes of the last snapshot, and the rows of the metrics without the clock."""
    job = load_solver(values)
    for number, asked in enumerate((*stops, 10_000)):
        with run(job, folder, resume=number > 0, threads=1 + number % 2, stopping=stopping_after(asked)) as training:
            for _ in training:
                pass
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = [{key: row[key] for key in row if key != "clock"} for row in rows if row["event"] in {"display", "tested"}]
    return (folder / "snapshots" / f"iter_{LAST:06d}.safetensors").read_bytes(), kept


@pytest.mark.parametrize(
    "word", [pytest.param(word, marks=() if word in SHORT else pytest.mark.long) for word in FIELDS]
)
def test_pieces_are_the_whole(word: str, tmp_path: Path, solver: Callable[..., dict[str, Any]]) -> None:
    policy = {"type": word, **FIELDS[word]}
    fields = {"lr_policy": policy, "warmup": {"length": 6, "from": 0.25}, "display": 1, "test_interval": 2}
    values = solver(max_iter=LAST, **fields)
    whole, rows = trained(values, tmp_path / "whole", ())
    pieces, own = trained(values, tmp_path / "pieces", STOPS)
    assert (pieces, own) == (whole, rows)
    record = runs.read(tmp_path / "whole")
    rates = {event.iteration: event.rate for event in record.events if isinstance(event, Display)}
    said = of_run(load_solver(values), record)
    assert rates == {iteration: said.rate(iteration) for iteration in range(LAST)} and len(rates) == LAST
    if word == "plateau":  # the loss falls, which the mode takes for worse
        assert rates[LAST - 1] < rates[6]
