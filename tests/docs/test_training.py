"""The page "Training": its solvers are sound, and the words, commands and Python that it shows work."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import netspec
from netspec.training.averages.base import AVERAGES
from netspec.training.job import load_solver
from netspec.training.policies.base import POLICIES
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.S | re.M))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_solver_is_sound(name: str, folder: Path) -> None:
    assert load_solver(name).train is not None


def test_the_page_names_all_words() -> None:
    for room in (SOLVERS, POLICIES, AVERAGES, REGULARIZERS):
        for word in room.words():
            assert re.search(rf"\b{word}\b", PAGE), f"the page does not name the {room.kind} {word}"


def test_the_options_of_the_page_exist(cli: Callable[..., tuple[int, str, str]]) -> None:
    for command in ("train", "test", "schedule", "check", "runs compare"):
        asked = {
            option for line in re.findall(rf"netspec {command} .*", PAGE) for option in re.findall(r"--[a-z-]+", line)
        }
        _, shown, _ = cli(*command.split(), "--help")
        assert {option for option in asked - {"--logdir"} if option not in shown} == set()


def test_python_block_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)[0]
    scope: dict[str, object] = {}
    exec(block.replace('"max_epoch=1"', '"max_iter=2", "data.validation.limit=100", "data.test.limit=100"'), scope)
    solver = scope["solver"]
    assert isinstance(solver, netspec.Solver) and solver.iter == 2
