"""`netspec lr-find`: its chart, its other forms, its picture, its exit codes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

Cli = Callable[..., tuple[int, str, str]]
IRIS = ("lr-find", "iris_mlp", "--iterations", "80")


@pytest.mark.parametrize("width", [40, 80])
def test_a_curve_that_fits_the_terminal(width: int, cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = cli(*IRIS)
    assert code == 0 and max(map(cell_len, out.splitlines())) <= width
    assert "3 sweeps from seed 1 on: " in " ".join(out.split())
    assert "suggested: base_lr=" in out and "(the solver has" in " ".join(out.split()) and "⠒" in out and ":" in out
    assert list(here.iterdir()) == []


def test_every_point_for_programs(cli: Cli) -> None:
    code, out, _ = cli(*IRIS, "--from", "1e-4", "--to", "50", "--format", "json")
    answer = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and answer["solver"] == "iris_mlp" and answer["base_lr"] == 0.05
    assert 1e-3 < answer["suggested"] < 5 and [one["seed"] for one in answer["sweeps"]] == [1, 2, 3]
    assert {one["points"][0]["rate"] for one in answer["sweeps"]} == {1e-4}
    assert sorted(one["suggested"] for one in answer["sweeps"])[1] == answer["suggested"]
    code, out, _ = cli(*IRIS, "--from", "1e-4", "--to", "50", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row["loss"]) for row in rows] == [
        point["loss"] for one in answer["sweeps"] for point in one["points"]
    ]


def test_no_rate_is_an_answer_and_exit_6(cli: Cli) -> None:
    flat = (*IRIS, "--from", "1e-9", "--to", "1e-8")
    code, out, err = cli(*flat)
    assert code == 6 and "no rate is suggested: the curve is flat" in out and "error[NS836]" in err
    code, out, err = cli(*flat, "--format", "json")
    assert code == 6 and json.loads(out)["suggested"] is None


def test_a_picture(cli: Cli, here: Path) -> None:
    pytest.importorskip("matplotlib")
    code, _, err = cli(*IRIS, "-o", "lr.svg")
    assert code == 0 and "drew lr.svg" in err and "suggested: " in Path("lr.svg").read_text()
    Path("mine.png").write_text("a text of mine")
    code, out, err = cli(*IRIS, "-o", "mine.png")
    assert (code, out) == (9, "") and "error[NS525]" in err and Path("mine.png").read_text() == "a text of mine"
