"""Looking changes nothing: commands that only look leave files, random numbers and later trainings as they were."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.study.doctor import examine
from netspec.study.lr_find import sweep
from netspec.study.overfit import overfit
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.helpers.looked_at import trained

Values = dict[str, Any]
Cli = Callable[..., tuple[int, str, str]]


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Text and time of each file below a folder, and the empty folders."""
    found = sorted(folder.rglob("*"))
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else (b"", 0)
        for path in found
    }


def surroundings() -> list[Any]:
    """What a process shares: its random numbers, working directory and variables, how NumPy treats errors."""
    numbers = [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()]
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return [random.getstate(), numbers, os.getcwd(), own, np.geterr()]


def test_commands_that_look_write_nothing_else(
    here: Path, arrays: Path, cli: Cli, solver: Callable[..., Values]
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    out, work = here / "out", here / "work"
    out.mkdir()
    work.mkdir()
    folder = trained(work / "runs" / "tiny", arrays)
    (work / "solver.yaml").write_text(json.dumps(solver(max_iter=40)))
    os.chdir(work)
    assert cli("test", folder)[0] == 0  # a report would make this test first
    commands: list[list[str]] = [
        ["doctor"],
        ["doctor", "runs/tiny"],
        ["doctor", "solver.yaml"],
        ["overfit", "solver.yaml", "--iterations", "20"],
        ["lr-find", "solver.yaml", "--iterations", "50", "--sweeps", "1"],
        ["plot", "runs/tiny", "-o", f"{out}/curves.svg"],
        ["report", "runs/tiny", "-o", f"{out}/report.html"],
        ["draw", "runs/tiny", "-o", f"{out}/net.svg"],
        ["diff", "runs/tiny", "solver.yaml"],
        ["runs", "compare", "runs/tiny", "runs/tiny"],
        *(["show", "runs/tiny", kind, "-o", f"{out}/{kind}.png"] for kind in ("filters", "activations", "saliency")),
        ["show", "runs/tiny", "embedding", "-o", f"{out}/embedding.png"],
    ]
    for words in commands:
        before, around = files(work), surroundings()
        code, _, err = cli(*words)
        assert code in {0, 6}, err
        assert files(work) == before, words
        assert surroundings() == around, words
    assert {path.name for path in out.iterdir()} >= {"curves.svg", "report.html", "net.svg", "embedding.png"}


def test_a_training_is_the_same_after_its_solver_was_looked_at(tmp_path: Path, solver: Callable[..., Values]) -> None:
    """Also of the very same job, whose feeds, net and rules were used."""
    job = load_solver(solver(max_iter=6, type="Adam", base_lr=0.01, momentum=None))

    def weights(name: str) -> bytes:
        with run(job, tmp_path / name) as training:
            list(training)
        file = snapshot.latest(tmp_path / name / "snapshots")
        assert file is not None
        return file.read_bytes()

    first = weights("a")
    seen = examine(job)
    overfit(job, None, 20)
    sweep(job, 1e-5, 1.0, 20)
    assert weights("b") == first
    assert examine(job).probe == seen.probe
