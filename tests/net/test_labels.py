"""Labels followed back to the inputs: which values are labels, for how many classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.calls import Phase
from netspec.data.labels import LabelRule
from netspec.engine.bind import compile_net
from netspec.net.labels import label_rules
from netspec.net.shaped import ShapedGraph
from tests.helpers.programs import shaped

PACKED: list[dict[str, Any]] = [
    {"name": "in", "type": "Input", "top": "all", "shape": [3, 4, 6, 5]},
    {"name": "cut", "type": "Slice", "bottom": "all", "top": ["image", "map"], "slice_point": 3},
    {"name": "conv", "type": "Convolution", "bottom": "image", "num_output": 7, "kernel_size": 1},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["conv", "map"], "ignore_label": 255},
]
"""Images of three channels, whose fourth is a map of labels."""


def net_of(layers: list[dict[str, Any]], phase: Phase = "TRAIN") -> ShapedGraph:
    return shaped({"name": "net", "layers": layers}, phase)


def said(rule: LabelRule) -> tuple[int, int, int | None, str]:
    return rule.output, rule.classes, rule.ignore, rule.reader


def test_two_columns_of_a_label() -> None:
    layers = [
        {"name": "in", "type": "Input", "top": ["data", "label"], "shape": [[4, 5], [4, 2]]},
        {"name": "cut", "type": "Slice", "bottom": "label", "top": ["colour", "form"]},
        {"name": "three", "type": "InnerProduct", "bottom": "data", "num_output": 3},
        {"name": "six", "type": "InnerProduct", "bottom": "data", "num_output": 6},
        {"name": "first", "type": "SoftmaxWithLoss", "bottom": ["six", "form"], "ignore_label": -1},
        {"name": "second", "type": "MultiClassHingeLoss", "bottom": ["three", "colour"]},
        {"name": "third", "type": "Accuracy", "bottom": ["three", "colour"], "include": {"phase": "TEST"}},
        {"name": "both", "type": "SoftmaxWithLoss", "bottom": ["three", "form"], "include": {"phase": "TEST"}},
    ]
    first, second = label_rules(net_of(layers))
    assert said(first) == (1, 6, -1, "layer 'first' (SoftmaxWithLoss)")
    assert said(second) == (1, 3, None, "layer 'second' (MultiClassHingeLoss)")
    np.testing.assert_array_equal(first.places, [[False, True]] * 4)
    np.testing.assert_array_equal(second.places, [[True, False]] * 4)
    again, joined = label_rules(net_of(layers, "TEST"))
    assert (said(again), said(joined)) == (said(first), said(second))
    assert joined.places.all() and joined.alike


def test_a_channel_of_an_image_is_followed_through_every_rewrite() -> None:
    net = net_of(PACKED)
    (rule,) = label_rules(net)
    assert said(rule) == (0, 7, 255, "layer 'loss' (SoftmaxWithLoss)")
    np.testing.assert_array_equal(rule.places.reshape(3, 4, 30), [[[False] * 30] * 3 + [[True] * 30]] * 3)
    rewritten, _ = compile_net(net, "float32")
    assert any(blob.copy_of is not None for blob in rewritten.graph.blobs)
    (same,) = label_rules(rewritten)
    assert said(same) == said(rule)
    np.testing.assert_array_equal(same.places, rule.places)


def test_a_batch_axis_that_is_not_the_first() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": "data", "shape": [3, 1, 6]},
        {"name": "label", "type": "Input", "top": "label", "shape": [2, 3], "batch_axis": 1},
        {"name": "cut", "type": "Slice", "bottom": "label", "top": ["one", "other"], "axis": 0},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["data", "other"], "axis": 2},
    ]
    (rule,) = label_rules(net_of(layers))
    assert (rule.output, rule.classes) == (1, 6)
    np.testing.assert_array_equal(rule.places, [[False, True]] * 3)


def test_labels_that_the_net_computes_have_no_rule() -> None:
    layers = [
        {"name": "in", "type": "Input", "top": ["data", "label"], "shape": [[4, 5], [4, 1]]},
        {"name": "less", "type": "Power", "bottom": "label", "shift": -1},
        {"name": "both", "type": "Concat", "bottom": ["less", "label"]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 8},
        {"name": "map", "type": "Reshape", "bottom": "ip", "shape": [0, 4, 2]},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["map", "both"]},
        {"name": "other", "type": "SoftmaxWithLoss", "bottom": ["data", "less"]},
    ]
    (rule,) = label_rules(net_of(layers))
    assert said(rule) == (1, 4, None, "layer 'loss' (SoftmaxWithLoss)")


def test_a_net_in_python_judges_labels_behind_layers() -> None:
    net = netspec.Net({"name": "packed", "layers": PACKED}, phase="TRAIN")
    values = np.zeros((3, 4, 6, 5))
    values[1, 3, 2] = 255
    values[:, :3] = 99
    net.forward(all=values)
    values[2, 3, 4, 1] = 7
    with pytest.raises(netspec.NetspecError, match=r"'all' holds 7 at \[2, 3, 4, 1\], which is not a label in 0\.\.6"):
        net.forward(all=values)


@pytest.mark.parametrize(("value", "said"), [(4, "holds 3 at"), (0, "holds -1 at"), (1.5, "holds 0.5 at")])
def test_a_net_in_python_judges_labels_that_it_computes(value: float, said: str) -> None:
    layers = [
        {"name": "in", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "less", "type": "Power", "bottom": "label", "shift": -1},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["data", "less"]},
    ]
    net = netspec.Net({"name": "less", "layers": layers}, phase="TRAIN")
    net.forward(label=[1, 3])
    with pytest.raises(netspec.NetspecError, match=said) as caught:
        net.forward(label=[1, value])
    assert caught.value.code == "NS623"
