"""Filters: the weights of layers as planes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.study.filters import filters
from netspec.study.shown import NothingToShowError, Shown
from tests.helpers.snapshots import snapshot_of

FILLER = {"weight_filler": "xavier"}
LAYERS: list[dict[str, Any]] = [
    {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 6, 5], [2]]},
    {"name": "whole", "type": "InnerProduct", "bottom": "data", "num_output": 4, **FILLER},
    {"name": "turned", "type": "InnerProduct", "bottom": "data", "num_output": 4, "transpose": True, **FILLER},
    {"name": "flat", "type": "Flatten", "bottom": "data"},
    {"name": "behind", "type": "InnerProduct", "bottom": "flat", "num_output": 4, **FILLER},
    {"name": "conv", "type": "Convolution", "bottom": "data", "num_output": 7, "kernel_size": 2, **FILLER},
    {"name": "relu", "type": "ReLU"},
    {"name": "next", "type": "Convolution", "num_output": 2, "kernel_size": [1, 3], **FILLER},
    {"name": "last", "type": "InnerProduct", "num_output": 4, **FILLER},
    {"name": "scores", "type": "Eltwise", "bottom": ["whole", "turned", "behind", "last"]},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]},
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    file = tmp_path_factory.mktemp("filters") / "net.safetensors"
    source = {"type": "Random", "shape": [3, 6, 5], "samples": 4, "classes": 4}
    return Shown(str(snapshot_of(file, LAYERS, {"train": {"source": source, "batch_size": 2}})))


def test_a_convolution_has_its_weights(shown: Shown) -> None:
    found = filters(shown, "conv")
    assert found.weights.shape == (7, 3, 2, 2) and found.colour and found.type == "Convolution"
    np.testing.assert_array_equal(found.weights, shown.params("conv")["weight"])
    assert filters(shown, "next").weights.shape == (2, 7, 1, 3) and not filters(shown, "next").colour


def test_a_dense_layer_on_an_image_has_the_form_of_the_image(shown: Shown) -> None:
    assert filters(shown).layer == "whole"
    for layer in ("whole", "behind"):
        found, weight = filters(shown, layer), shown.params(layer)["weight"]
        assert found.weights.shape == (4, 3, 6, 5) and found.colour
        assert found.weights[2, 1, 4, 3] == weight[2, 1 * 30 + 4 * 5 + 3]
    turned = filters(shown, "turned").weights
    assert turned[2, 1, 4, 3] == shown.params("turned")["weight"][1 * 30 + 4 * 5 + 3, 2]


def test_a_dense_layer_on_what_is_no_image_is_a_matrix(shown: Shown, tmp_path: Path) -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 5], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 3, **FILLER},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    source = {"type": "Random", "shape": [5], "samples": 4, "classes": 3}
    own = Shown(str(snapshot_of(tmp_path / "n.safetensors", layers, {"train": {"source": source, "batch_size": 2}})))
    found = filters(own)
    assert found.weights.shape == (1, 1, 3, 5) and not found.colour
    np.testing.assert_array_equal(found.weights[0, 0], own.params("ip")["weight"])


def test_colours_stand_as_red_green_blue_whatever_order_they_came_in(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(shown), "order", "bgr")
    np.testing.assert_array_equal(filters(shown, "conv").weights, shown.params("conv")["weight"][:, ::-1])


def test_a_layer_without_filters_names_those_that_have(shown: Shown) -> None:
    with pytest.raises(NothingToShowError, match="layer 'relu' is a ReLU, which has no filters") as caught:
        filters(shown, "relu")
    assert "conv" in str(caught.value.help)
