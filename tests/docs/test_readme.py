"""The README is true: its files are sound, its Python runs, and the output it shows is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.language import document
from netspec.net.load import load_net
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.helpers import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return [text for word, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M) if word == language]


def shown(command: str) -> str:
    """What the README says a command prints."""
    block = next(b for b in blocks("") if b.startswith(f"$ {command}\n"))
    return block.partition("\n")[2]


def test_yaml_blocks_are_sound(tmp_path: Path) -> None:
    net, child, solver, night = blocks("yaml")
    assert load_net(document.parse(net).plain()).total_params > 0
    assert load_net(document.parse(child).plain()).total_params == 60_192_808
    (tmp_path / "solver.yaml").write_text(solver)
    assert load_solver(tmp_path / "solver.yaml").net.name == "LeNet"
    (tmp_path / "night.yaml").write_text(night)
    job = load_solver(tmp_path / "night.yaml")
    assert (job.watch.metric.name, job.last(10_000)) == ("validation/accuracy", 3125)


def test_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    short = code.replace(
        '["max_iter=100"]',
        '["max_iter=100", "data.train.source.subset=true", "data.test.source.subset=true", "test_iter=1"]',
    )
    assert short != code
    subset = [f"data.{phase}.source.subset=true" for phase in ("train", "test")]
    list(run(load_solver("lenet", ["max_iter=1", "test_interval=null", *subset]), tmp_path / "runs" / "a"))
    scope = {"images": np.zeros((2, 1, 28, 28), np.float32), "labels": np.array([3, 5])}
    exec(short, scope)
    assert (tmp_path / "here.safetensors").is_file()
    scope["solver"].close()


def test_inspect_prints_what_the_readme_shows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "inspect", "lenet"], capture_output=True, text=True, cwd=ROOT
    )
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        line.rstrip() for line in shown("netspec inspect lenet").splitlines()
    ]


def test_error_looks_like_the_one_in_the_readme(tmp_path: Path) -> None:
    text = (
        (ROOT / "models" / "lenet.yaml")
        .read_text()
        .replace("type: Pooling, pool: MAX", "type: Pooling, bottom: con1, pool: MAX", 1)
    )
    (tmp_path / "mine.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "check", "mine.yaml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 3
    assert done.stderr.strip() == shown("netspec check mine.yaml").strip()


def test_commands_of_the_readme_exist() -> None:
    """Every `netspec WORD` in the README is a command."""
    words = {w for b in blocks("") for w in re.findall(r"^(?:\$ )?netspec ([a-z-]+)", b, re.M)} | set(
        re.findall(r"`netspec ([a-z-]+)", README)
    )
    assert {"train", "test", "inspect", "check", "time", "zoo"} <= words
    for word in words:
        done = subprocess.run([sys.executable, "-m", "netspec", word, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, word


def test_ci_calls_the_test_command_of_the_readme() -> None:
    assert "pip install -e '.[dev]' && scripts/test" in README
    ci = (ROOT / ".ci" / "run").read_text()
    assert "pip install --quiet -e '.[dev]'" in ci
    assert "\nscripts/test\n" in ci


def test_only_long_tests_are_left_out_of_ci() -> None:
    some, every = ((ROOT / "scripts" / name).read_text().splitlines()[-1] for name in ("test", "test_all"))
    assert some.replace(' -m "not long"', "") == every != some
