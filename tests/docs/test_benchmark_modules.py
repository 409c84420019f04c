"""Every module of benchmarks/ imports, and those that are commands say what they do. Peers that are absent: skipped."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

import benchmarks
from benchmarks import kfac, rules, valley
from benchmarks.trainings import Reached, overrides, reach
from netspec.codegen import driver
from netspec.training.job import load_solver
from netspec.training.solvers.base import SOLVERS

PEERS = {"torch", "onnx", "onnxruntime", "keras", "tensorflow"}
MODULES = [
    module.name
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if module.name != "benchmarks.keras_child"  # which another Python runs
]


def load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            raise
        pytest.skip(f"needs {error.name}")


@pytest.mark.parametrize("name", MODULES)
def test_it_imports_and_a_command_has_help(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load(name)
    if not hasattr(module, "main"):
        return
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_the_driver_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    dispatch = load("benchmarks.dispatch")
    monkeypatch.setattr(sys, "argv", ["dispatch", "--rounds=1"])
    dispatch.main()
    driver.limit_threads(None)
    assert "steps on 2 threads" in capsys.readouterr().out


@pytest.mark.parametrize("table", [rules, valley])
def test_every_solver_type_has_settings_or_a_reason_to_be_left_out(table: ModuleType) -> None:
    assert not table.SETTINGS.keys() & table.LEFT_OUT
    assert table.SETTINGS.keys() | table.LEFT_OUT == set(SOLVERS.words())
    assert all(table.LEFT_OUT.values())


@pytest.mark.parametrize("word", rules.SETTINGS)
def test_every_type_has_three_trials_that_a_solver_takes(word: str) -> None:
    assert len(rules.SETTINGS[word]) == 3
    for settings in rules.SETTINGS[word]:
        load_solver("lenet", overrides(rules.asked(word, settings, 1, 20)))


def test_trainings_are_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "reach", lambda *args, **words: Reached(50, 1.5, 0.75, 30.0))
    first = rules.Kept(tmp_path / "kept").train("SGD", {"base_lr": 0.1}, 1, 2)
    monkeypatch.setattr(rules, "reach", None)
    kept = rules.Kept(tmp_path / "kept")
    assert kept.train("SGD", {"base_lr": 0.1}, 1, 2) == first
    with pytest.raises(TypeError):
        kept.train("SGD", {"base_lr": 0.2}, 1, 2)


def test_a_row_is_of_the_best_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    first, best, last = (
        Reached(iterations, None, score, 0.0) for iterations, score in ((None, 0.5), (50, 0.9), (9, 0.8))
    )
    monkeypatch.setattr(
        rules, "reach", lambda _, fields, *args, **words: {0.003: first, 0.01: best, 0.03: last}[fields["base_lr"]]
    )
    monkeypatch.setattr(rules, "pace", lambda *args: 20.0)
    kept = rules.Kept(None)
    assert rules.chosen("SGD", kept)[0]["base_lr"] == 0.01
    row = rules.row("SGD", [best, best, first], kept)
    assert (row["chosen"], row["tried"], row["trial"]) == ("base_lr 0.01", "0.5000 0.9000 0.8000", 50)
    assert (row["iterations"], row["seconds"], row["best"]) == (50, 1.0, 0.9)
    assert "iterations" not in rules.row("SGD", [best, first, first], kept)


def test_kfacs_rates_are_judged_by_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {0.005: None, 0.01: 60, 0.03: 40, 0.1: None}
    monkeypatch.setattr(kfac, "train", lambda _, rate, seed, goal: Reached(found[rate], 2.0, 0.9 - rate, 8.0))
    row = kfac.row("lenet_kfac", [1, 2], 0.87)
    assert (row["rate"], row["seed 1"], row["median"], row["seconds"]) == (0.03, 40, 40, 2.0)


def test_a_training_ends_at_the_goal_or_goes_on() -> None:
    settings = {"base_lr": 0.01, "max_iter": 6, "test_interval": 2, "random_seed": 1}
    assert reach("lenet", settings, 0.0).iterations == 2
    whole = reach("lenet", settings, 0.0, on=True)
    assert whole.iterations == 2 and whole.best > reach("lenet", settings, 0.0).best
    assert reach("lenet", settings, 1.0)[:2] == (None, None)
