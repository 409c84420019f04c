"""Which blobs of a net are judged, by what truth, and what their task is."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.task import Task
from netspec.net.graph import State
from netspec.net.heads import heads
from netspec.net.load import load_net

Layers = list[dict[str, Any]]

INPUT = {"name": "in", "type": "Input", "top": ["x", "y", "label"], "shape": [[4, 3], [4, 3], [4]]}


def found(*layers: dict[str, Any]) -> list[tuple[str, str, str, int | None, Task]]:
    """Each head: its name, the names of its scores and its truth, the input that the truth is, the task."""
    net = load_net({"name": "t", "layers": [INPUT, *layers]}, state=State("TEST"))
    name = [blob.name for blob in net.graph.blobs]
    return [(one.name, name[one.scores], name[one.truth], one.output, one.task) for one in heads(net)]


def loss(type: str, *bottoms: str, name: str = "loss", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": type, "bottom": list(bottoms), **fields}


@pytest.mark.parametrize(
    ("type", "truth", "fields", "task"),
    [
        ("SoftmaxWithLoss", "label", {"ignore_label": 2}, Task("classes", "softmax", 1, ignore=2)),
        ("SoftmaxWithLoss", "y", {}, Task("classes", "softmax", 1, soft=True)),
        ("FocalLoss", "label", {"form": "SOFTMAX", "axis": -1}, Task("classes", "softmax", -1)),
        ("FocalLoss", "y", {}, Task("labels", "sigmoid")),
        ("SigmoidCrossEntropyLoss", "y", {"ignore_label": 7}, Task("labels", "sigmoid", ignore=7)),
        ("MultinomialLogisticLoss", "label", {}, Task("classes", "itself", None)),
        ("HingeLoss", "label", {}, Task("classes", "scores", None)),
        ("MultiClassHingeLoss", "label", {}, Task("classes", "scores", None)),
        ("DiceLoss", "label", {}, Task("classes", "itself")),
        ("DiceLoss", "y", {}, Task("labels", "itself")),
        ("EuclideanLoss", "y", {}, Task("numbers", "itself")),
        ("SmoothL1Loss", "y", {}, Task("numbers", "itself")),
        ("L1Loss", "y", {}, Task("numbers", "itself")),
        ("PoissonLoss", "y", {}, Task("numbers", "exp")),
        ("PoissonLoss", "y", {"log_input": False}, Task("numbers", "itself")),
        ("Accuracy", "label", {}, Task("classes", "scores")),
    ],
)
def test_what_a_layer_asks_for(type: str, truth: str, fields: dict[str, Any], task: Task) -> None:
    output = {"y": 1, "label": 2}[truth]
    assert found(loss(type, "x", truth, **fields)) == [("loss", "x", truth, output, task)]


def test_every_loss_is_a_head_and_scores_are_none_beside_them() -> None:
    layers = [
        loss("Accuracy", "x", "label", name="accuracy"),
        loss("SoftmaxWithLoss", "x", "label", name="first"),
        loss("HingeLoss", "x", "label", name="again"),
        loss("EuclideanLoss", "x", "y", name="second"),
    ]
    assert [head[:4] for head in found(*layers)] == [("first", "x", "label", 2), ("second", "x", "y", 1)]


def test_scores_behind_a_softmax_are_probabilities() -> None:
    layers = [{"name": "prob", "type": "Softmax", "bottom": "x"}, loss("Accuracy", "prob", "label")]
    assert found(*layers)[0][4] == Task("classes", "itself")


def test_truth_is_followed_through_layers_that_only_reshape() -> None:
    flat = {"name": "flat", "type": "Reshape", "bottom": "y", "shape": [0, 3, 1]}
    wide = {"name": "wide", "type": "Reshape", "bottom": "x", "shape": [0, 3, 1]}
    assert found(flat, wide, loss("L1Loss", "wide", "flat"))[0][3] == 1
    double = {"name": "double", "type": "Power", "bottom": "y", "scale": 2}
    assert found(double, loss("L1Loss", "x", "double"))[0][3] is None


def test_nothing_is_judged_that_has_no_score_of_its_own() -> None:
    log = {"name": "log", "type": "Log", "bottom": "x"}
    assert found(log, loss("KLDivLoss", "log", "y")) == []
    assert found(loss("CosineEmbeddingLoss", "x", "y", "label")) == []
