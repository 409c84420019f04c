"""`netspec overfit` on the command line: its curve and verdict, its exit code, its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from netspec.cli import app
from netspec.training.rules import base_examples as made


def said(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `netspec overfit`."""
    monkeypatch.setattr(sys, "argv", ["netspec", "overfit", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    shown = capsys.readouterr()
    return int(str(ended.value.code or 0)), shown.out, shown.err


@pytest.fixture
def solver(tmp_path: Path) -> str:
    layers = [made.product("hidden", 40), {"name": "relu", "type": "ReLU"}]
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(made.solver(layers, base_lr=0.5, momentum=0.9)))
    return str(path)


def test_a_curve_and_a_verdict_in_80_columns(
    solver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = said([solver], monkeypatch, capsys)
    lines = out.splitlines()
    assert code == 0 and "error" not in err
    assert lines[0] == "small: loss over iterations" and max(map(len, lines)) <= 80
    assert any(line.startswith("samples   20, the same in 1 batch") for line in lines)
    assert any(line.startswith("learned   yes: below 2% of a guess, 0.0277,") for line in lines)


def test_exit_6_with_the_reason_where_it_cannot(
    solver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said([solver, "base_lr=300", "--iterations", "60"], monkeypatch, capsys)
    assert code == 6 and "learned   no" in out
    assert "error[NS830]: after " in err and "= help: base_lr is too high: at " in err
    code, out, err = said([solver, "base_lr=300", "--iterations", "60", "--format", "json"], monkeypatch, capsys)
    values = json.loads(out)
    assert code == 6 and "error" not in err and not values["fitted"] and "too high" in values["reason"]


def test_a_net_without_data_has_nothing_to_learn_by_heart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(["rosenbrock"], monkeypatch, capsys)
    assert code == 2 and "error[NS831]" in err
