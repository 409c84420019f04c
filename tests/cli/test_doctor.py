"""`netspec doctor`: the machine, a solver, a run, in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from netspec.core.errors import DivergedError
from netspec.training.job import load_solver
from netspec.training.rules.zero_weights import ZeroWeights
from netspec.training.run import run

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose rate was far too high."""
    folder = tmp_path_factory.mktemp("runs") / "iris-1"
    job = load_solver("iris_mlp", ["base_lr=1e30", "display=1"])
    with pytest.raises(DivergedError), run(job, folder) as training:
        list(training)
    return folder


@pytest.mark.parametrize("width", [40, 80])
def test_the_machine_fits_the_terminal(width: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = cli("doctor")
    assert (code, err) == (0, "") and out.startswith("this machine: ")
    rows = [line for line in out.splitlines() if " " in line.strip()]  # a path is left whole
    assert max(map(cell_len, rows)) <= width or width == 40
    for word in ("netspec ", "CPU ", "threads ", "cache ", "libraries ", "vectors of"):
        assert word in " ".join(out.split())


def test_the_machine_for_programs_and_for_reports_of_bugs(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--format", "json")
    answer = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and answer["kernels"]["threads"] >= 1 and isinstance(answer["findings"], list)
    code, out, _ = cli("doctor", "--format", "md")
    assert code == 0 and "| what | here |" in out and "| kernels | for " in out
    code, out, _ = cli("doctor", "--format", "csv")
    assert code == 0 and "CPU" in [row["what"] for row in csv.DictReader(io.StringIO(out))]


def test_a_sound_solver(cli: Cli) -> None:
    code, out, _ = cli("doctor", "iris_mlp")
    assert code == 0 and out.startswith("iris_mlp: nothing to find fault with\n") and "a guess has 1.099" in out


def test_a_solver_that_cannot_learn(cli: Cli, here: Path) -> None:
    Path("zero.yaml").write_text(json.dumps(ZeroWeights.wrong.solver))
    code, out, _ = cli("doctor", "zero.yaml")
    assert code == 0 and "warning[NS320]: the weights of 'ip1' and 'ip2' never learn" in out
    code, out, _ = cli("doctor", "zero.yaml", "--format", "json")
    found: Any = json.loads(out)["findings"]
    assert [each["severity"] for each in found] == ["warning"] * len(found) and found[0]["code"] == "NS320"


def test_a_run(broken_off: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cli("doctor", broken_off)
    assert (
        (code, err) == (0, "")
        and "iris-1: 1 finding\n" in out
        and "warning[NS840]: the rate of 1e+30 is too high" in out
    )
    monkeypatch.setenv("NETSPEC_RUNS_DIR", str(broken_off.parent))
    assert "warning[NS840]" in cli("doctor", "iris-1")[1]
    code, out, _ = cli("doctor", broken_off, "--format", "md")
    assert "| code | finding | what to try |" in out and "| NS840 |" in out


def test_findings_make_it_fail_where_that_is_asked_for(broken_off: Path, cli: Cli) -> None:
    code, out, err = cli("doctor", broken_off, "--exit-code")
    assert code == 6 and "warning[NS840]" in out and "error[NS856]: 1 finding" in err
    code, out, err = cli("doctor", broken_off, "--exit-code", "--format", "json")
    assert code == 6 and err == "" and json.loads(out)["findings"][0]["code"] == "NS840"
    assert cli("doctor", "iris_mlp", "--exit-code")[0] == 0
