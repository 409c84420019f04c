"""What tests say of a run: made once, kept in its folder, and made anew for newer weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from netspec.study.evaluated import Evaluated, evaluated
from netspec.training.job import load_solver
from netspec.training.runs import read
from tests.report.runs import dense, trained


def made(folder: Path) -> Evaluated:
    return evaluated(read(folder), load_solver(str(folder)))


def solver(folder: Path) -> dict[str, object]:
    random = np.random.default_rng(4)
    return dense(folder, "EuclideanLoss", random.normal(size=(23, 3)), np.ones((23, 2), np.float32), 2)


def test_a_test_is_made_once_and_made_anew_for_newer_weights(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", solver(tmp_path), base_lr=0.1)
    file = folder / "test/test.json"
    kept = made(folder).tests["test"]
    assert kept["weights"] == "iter_000020.safetensors" and kept["samples"] == 23
    assert json.loads(file.read_text()) == {"format": 1, **kept}
    file.write_text(json.dumps({"format": 1, **kept, "samples": 20}))
    assert made(folder).tests["test"]["samples"] == 20
    before = (folder / "snapshots" / kept["weights"]).stat().st_mtime_ns - 10**9
    os.utime(file, ns=(before, before))
    assert made(folder).tests["test"]["samples"] == 23
    file.write_text(json.dumps({"format": 1, **kept, "weights": "gone.safetensors"}))
    assert made(folder).tests["test"]["weights"] == "iter_000020.safetensors"
    file.write_text(json.dumps({"format": 1, **kept, "weights": "gone.safetensors"}))
    (tmp_path / "x.npy").unlink()  # and so it cannot be made: a test of other weights is no answer
    lost = made(folder)
    assert not lost.tests and lost.missing and "x.npy" in lost.missing


def test_the_best_weights_are_tested(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", solver(tmp_path), base_lr=0.1, best={}, test_interval=10)
    assert made(folder).tests["test"]["weights"] == "best.safetensors"


def test_without_a_snapshot_or_data(tmp_path: Path) -> None:
    values = solver(tmp_path)
    folder = trained(tmp_path / "run", values, base_lr=0.1)
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    assert made(folder) == Evaluated({}, "the run has no snapshot yet")
    del values["data"]["test"]  # type: ignore[attr-defined]
    assert made(trained(tmp_path / "other", values, base_lr=0.1)) == Evaluated({}, "the solver has no test data")
