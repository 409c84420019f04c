"""Evaluations that a run folder holds: those that no test has written are refused, in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netspec.training.judging.kept import kept
from netspec.training.runs import BrokenRunError


def test_what_is_no_evaluation(tmp_path: Path) -> None:
    file = tmp_path / "test/validation.json"
    file.parent.mkdir()
    head: dict[str, Any] = {"name": "loss", "task": "classes", "size": 3, "places": 1, "classes": None, "positions": 2}
    sample = {"sample": 1, "name": None, "loss": 1.5, "thumbnail": None}

    def test(**more: Any) -> str:
        values = {"format": 1, "data": None, "samples": 2, "weights": "w", "average": None, "scores": {}}
        return json.dumps(values | {"heads": [head | {"accuracy": 1} | more]})

    rates = {"rmse": 1.0, "mae": 1.0, "r2": 0.5}
    numbers: dict[str, Any] = {"task": "numbers", "values": 2, **rates, "by_output": [rates] * 3}
    row = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2, "roc_auc": None}
    labels: dict[str, Any] = {"task": "labels", "by_class": [row] * 3}
    for text, why in {
        "{": "Expecting property name",
        '{"format": 1}': "data: Field required",
        test(accuracy=None): "heads.0: Value error, 'accuracy' is missing",
        test(classes=["a", "b"]): "there are 3 classes or outputs, and a list of another length",
        test(confusion=[[1, 0, 0], [0, 1], [1, 1, 1]]): "a list of another length",
        test(confused=[[0, 3, 1]]): "there are 3 classes, and the number of another",
        test(worst=[sample | {"label": 1}]): "'worst.prediction' is missing",
        test(worst=[sample | {"label": -1, "prediction": 0}]): "the number of another",
        test(task="numbers"): "'values' is missing",
        test(confusion=[[1, 0, 0], [], [1, 1, 1]]): "a list of another length",
        test(worst=[sample | {"label": 1, "prediction": None}]): "'worst.prediction' is missing",
        test(worst=[sample | {"label": 1, "prediction": [0.5]}]): "a prediction of another task",
        test(**labels, worst=[sample | {"labels": None, "predictions": [1]}]): "'worst.labels' is missing",
        test(**numbers, worst=[sample | {"target": [1.0], "prediction": 1}]): "a prediction of another task",
        test(**numbers, worst=[sample | {"target": None, "prediction": [1.0]}]): "'worst.target' is missing",
        "[" * 100_000: "recursion",
    }.items():
        file.write_text(text)
        with pytest.raises(BrokenRunError, match=why):
            kept(tmp_path)
    file.write_text(test(worst=[sample | {"label": None, "prediction": 1}]))
    assert kept(tmp_path)["validation"]["heads"][0]["worst"][0]["label"] is None
    file.write_text(test(by_class=None, worst=[sample | {"positions": 3, "wrong": 1}]))
    assert kept(tmp_path)["validation"]["heads"][0]["worst"][0]["wrong"] == 1
