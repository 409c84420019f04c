"""What `check --data` says of a solver with arrays, and what becomes of its training."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from netspec.cli import app
from netspec.core.errors import NetspecError
from netspec.training.events import Warned
from netspec.training.job import load_solver
from netspec.training.run import run

Values = dict[str, Any]


@dataclass(frozen=True)
class Judgement:
    """Codes and help lines of errors, and codes of warnings: of `check --data`, and of the training."""

    checked: tuple[str, ...]
    helps: tuple[str, ...]
    warned: tuple[str, ...]
    stopped: tuple[str, ...]
    noted: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether both say the same."""
        return self.checked == self.stopped and (bool(self.checked) or self.warned == self.noted)


Judge = Callable[[Values, Mapping[str, np.ndarray]], Judgement]


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Judge:
    """Judges a solver; arrays are saved under their names beside it."""

    def judge(solver: Values, arrays: Mapping[str, np.ndarray]) -> Judgement:
        monkeypatch.chdir(tmp_path)
        for name, array in arrays.items():
            np.save(tmp_path / name, array)
        (tmp_path / "solver.yaml").write_text(yaml.safe_dump(solver, sort_keys=False))
        monkeypatch.setattr(sys, "argv", ["netspec", "check", "--data", "solver.yaml", "--format", "json"])
        with pytest.raises(SystemExit):
            app.main()
        said = json.loads(capsys.readouterr().out)
        stopped, noted = _trained(tmp_path)
        return Judgement(
            tuple(sorted(each["code"] for each in said["errors"])),
            tuple(each["help"] or "" for each in said["errors"]),
            tuple(sorted(each["code"] for each in said["warnings"])),
            stopped,
            noted,
        )

    return judge


def _trained(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Codes of the errors that end the training of a solver, and of its warnings."""
    noted: list[str] = []
    number = len(list(folder.glob("run*")))
    try:
        with run(load_solver(folder / "solver.yaml"), folder / f"run{number}") as training:
            noted += [event.warning.code for event in training if isinstance(event, Warned)]
    except NetspecError as error:
        return tuple(sorted(each.code for each in error.errors())), ()
    return (), tuple(sorted(noted))
