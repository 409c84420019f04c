"""Warnings where users see them: among the notes of a training, in its log, and as Python warnings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import NetspecWarning, Solver
from netspec.net.graph import ParamKey
from netspec.training import snapshot
from netspec.training.events import Event, Note, Warned
from netspec.training.job import load_solver
from netspec.training.rules.base import Known, judge, named
from netspec.training.rules.zero_weights import ZeroWeights
from netspec.training.run import run
from tests.helpers import ROOT

Values = dict[str, Any]

ZERO: Values = dict(ZeroWeights.wrong.solver)


def codes(found: list[Note | Event]) -> list[str]:
    return [each.warning.code for each in found if isinstance(each, Warned)]


def trained(folder: Path, solver: Values, **options: Any) -> list[Note | Event]:
    with run(load_solver(solver), folder, **options) as training:
        return list(training)


def test_a_training_says_so_before_it_begins(tmp_path: Path) -> None:
    found = trained(tmp_path / "a", ZERO)
    assert codes(found) == ["NS320"]
    kinds = [type(each).__name__ for each in found]
    assert kinds.index("Warned") < kinds.index("Started")
    log = (tmp_path / "a" / "log.txt").read_text()
    assert "warning[NS320]: the weights of 'ip1' and 'ip2' never learn" in log and "= help: give 'ip1' and 'ip2'" in log
    assert "warned" not in (tmp_path / "a" / "metrics.jsonl").read_text()


def test_loaded_weights_are_judged_instead_of_fillers(tmp_path: Path) -> None:
    key = ParamKey("ip1", "weight")
    drawn = {key: np.arange(15, dtype=np.float32).reshape(5, 3) - 7}
    snapshot.write(tmp_path / "drawn.safetensors", snapshot.Snapshot(1, drawn))
    snapshot.write(tmp_path / "zero.safetensors", snapshot.Snapshot(1, {key: np.zeros((5, 3), np.float32)}))
    fine = dict(ZeroWeights.fine.solver)
    assert codes(trained(tmp_path / "a", ZERO, weights=tmp_path / "drawn.safetensors")) == []
    assert codes(trained(tmp_path / "b", {**ZERO, "weights": str(tmp_path / "drawn.safetensors")})) == []
    found = trained(tmp_path / "c", fine, weights=tmp_path / "zero.safetensors")
    assert codes(found) == ["NS320"]
    assert next(each.warning.help for each in found if isinstance(each, Warned)) == "the weights that were loaded are 0"


def test_a_loss_that_stays_where_it_began_is_said_once_at_iteration_100(tmp_path: Path) -> None:
    found = trained(tmp_path / "a", {**ZERO, "max_iter": 130, "base_lr": 1e-4, "display": 1})
    assert codes(found) == ["NS320", "NS505"]
    kinds = [type(each).__name__ for each in found]
    displayed = kinds[: len(kinds) - kinds[::-1].index("Warned")].count("Display")
    assert displayed == 99  # the line of iteration 99 follows its step
    assert "still 1.386" in (tmp_path / "a" / "log.txt").read_text()
    assert codes(trained(tmp_path / "b", {**ZERO, "max_iter": 99, "base_lr": 1e-4})) == ["NS320"]


def test_the_api_warns_once_when_iterations_begin() -> None:
    with Solver(ZERO) as solver:
        with pytest.warns(NetspecWarning, match=r"warning\[NS320\]"):
            solver.step(1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            solver.step(1)
    with Solver(ZERO) as solver, warnings.catch_warnings():
        warnings.simplefilter("error")
        solver.net.params["ip1"][0].data[...] = np.arange(15).reshape(5, 3) - 7
        solver.solve()


def test_of_many_layers_the_first_are_named() -> None:
    assert named(["a"]) == "'a'" and named(["a", "b", "c"]) == "'a', 'b' and 'c'"
    assert named(list("abcdefghi")) == "'a', 'b', 'c', 'd', 'e', 'f' and 3 more"


@pytest.mark.parametrize("path", sorted((ROOT / "solvers").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_rule_finds_fault_with_the_zoo(path: Path) -> None:
    job = load_solver(path)
    assert judge(Known(job.nets, job), "warning") == []
