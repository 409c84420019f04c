"""Weights are tested with the test data alone: no training data, and no net that could be trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import Run
from netspec.core.errors import DataError, UsageError
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import load_tester, run

Values = dict[str, Any]
SHAPE = (1, 3, 4)


def values(folder: Path) -> Values:
    numbers = np.random.default_rng(5)
    for name, samples in (("train", 8), ("test", 7)):
        np.save(folder / f"{name}_x.npy", numbers.normal(size=(samples, *SHAPE)).astype(np.float32))
        np.save(folder / f"{name}_y.npy", numbers.integers(0, 3, samples))
    feeds = {
        name: {
            "source": {"type": "Arrays", "outputs": [str(folder / f"{name}_x.npy"), str(folder / f"{name}_y.npy")]},
            "batch_size": 3,
        }
        for name in ("train", "test")
    }
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[3, *SHAPE], [3]]},
        {"name": "first", "type": "InnerProduct", "num_output": 5, "weight_filler": "xavier"},
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    return {"net": {"name": "t", "layers": layers}, "data": feeds, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 3}


def last_scores(folder: Path) -> dict[str, float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return dict(next(row["outputs"] for row in reversed(rows) if row["event"] == "tested"))


def test_a_run_is_tested_after_its_training_data_are_gone(tmp_path: Path) -> None:
    with run(load_solver(values(tmp_path)), tmp_path / "r") as training:
        list(training)
    for name in ("train_x.npy", "train_y.npy"):
        (tmp_path / name).unlink()
    assert Run(tmp_path / "r").test() == last_scores(tmp_path / "r")


def test_a_solver_without_training_data_tests_weights(tmp_path: Path) -> None:
    whole = values(tmp_path)
    with run(load_solver(whole), tmp_path / "r") as training:
        list(training)
    test_only = {**whole, "data": {"test": whole["data"]["test"]}}
    weights = snapshot.latest(tmp_path / "r" / "snapshots")
    assert weights is not None
    job = load_solver(test_only, phases=("TEST",))
    assert "TRAIN" not in job.nets
    tester, loaded = load_tester(job, weights)
    assert tester.run()[0] == last_scores(tmp_path / "r")
    assert len(loaded.report.loaded) == 4 and not loaded.report.left and not loaded.report.skipped


def test_a_param_whose_owner_takes_no_part_in_the_test_is_found_under_its_name(tmp_path: Path) -> None:
    whole = values(tmp_path)
    head = {"type": "InnerProduct", "num_output": 3, "bottom": "first", "weight_filler": "xavier"}
    shared = {"param": [{"name": "w"}, {"name": "b"}]}
    layers = whole["net"]["layers"]
    layers[2] = {"name": "owner", **head, **shared, "include": {"phase": "TRAIN"}}
    layers.insert(3, {"name": "ip", **head, **shared})
    layers[-1] = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]}
    with run(load_solver(whole), tmp_path / "r") as training:
        list(training)
    assert Run(tmp_path / "r").test() == last_scores(tmp_path / "r")


def test_a_job_without_test_data_says_so(tmp_path: Path) -> None:
    whole = values(tmp_path)
    del whole["data"]["test"]
    job = load_solver(whole, phases=("TEST",))
    with pytest.raises(UsageError, match="has no test data"):
        load_tester(job, tmp_path / "none.safetensors")


def test_a_mean_of_training_data_that_are_gone_is_in_the_snapshot(tmp_path: Path) -> None:
    whole = values(tmp_path)
    for feed in whole["data"].values():
        feed["transform"] = [{"type": "SubtractMean", "computed": "pixel"}]
    with run(load_solver(whole), tmp_path / "r") as training:
        list(training)
    (tmp_path / "train_x.npy").unlink()
    assert Run(tmp_path / "r").test() == last_scores(tmp_path / "r")
    whole["data"]["test"]["transform"] = [{"type": "SubtractMean", "computed": "channel"}]  # it is not in the snapshot
    weights = snapshot.latest(tmp_path / "r" / "snapshots")
    assert weights is not None
    with pytest.raises(DataError, match="the mean of the training data is wanted: there is no file"):
        load_tester(load_solver(whole, phases=("TEST",)), weights)
