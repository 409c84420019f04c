"""Filter: Caffe's case (4x3x6x4, items 1 and 2 of four kept), gradients, no item, and who may read what it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.core.shape import ShapeError
from netspec.net.wire import RunTimeBatchError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against

SELECTED = np.array([0.0, 1.0, 1.0, 0.0])
INPUT = {"name": "in", "type": "Input", "top": ["data", "label", "which"], "shape": [[4, 3, 6, 4], [4], [4, 1, 1, 1]]}
FILTER = {"name": "kept", "type": "Filter", "bottom": ["data", "label", "which"], "top": ["kept", "labels"]}


def net(*layers: dict[str, Any], **options: Any) -> netspec.Net:
    return netspec.Net({"layers": [INPUT, *layers]}, **{"dtype": "float64", **options})


def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
    *blobs, selector = bottoms
    tops = []
    for x in blobs:
        y, number = np.zeros(x.shape), 0
        for item, flag in zip(x, selector.reshape(-1), strict=True):
            if flag != 0:
                y[number] = item
                number += 1
        tops.append(y)
    return tops


@pytest.mark.parametrize("selected", [SELECTED, np.ones(4), np.zeros(4), np.array([-2.0, 0.0, 0.5, 3.0])])
def test_definition_and_derivatives(selected: Array) -> None:
    layer = make_layer("Filter", bottom=["a", "b", "s"], top=["x", "y"])
    against(oracle, layer, [blob(4, 3, 2), blob(4, seed=2), selected.reshape(4, 1, 1)])


def test_caffes_case() -> None:
    one, x, labels = net(FILTER), blob(4, 3, 6, 4), np.arange(4.0)
    tops = one.forward(data=x, label=labels, which=SELECTED.reshape(4, 1, 1, 1))
    np.testing.assert_array_equal(tops["kept"], x[1:3])
    np.testing.assert_array_equal(tops["labels"], [1, 2])
    assert one.blobs["kept"].data.shape == (2, 3, 6, 4)
    tops = one.forward(which=np.zeros((4, 1, 1, 1)))
    assert tops["kept"].shape == (0, 3, 6, 4) and "nothing" in repr(one.blobs["kept"])
    assert one.forward(which=np.ones((4, 1, 1, 1)))["kept"].shape == (4, 3, 6, 4)


def test_layers_that_compute_each_item_by_itself_may_read_it() -> None:
    act = {"name": "act", "type": "ELU", "bottom": "kept"}
    dense = {"name": "ip", "type": "InnerProduct", "num_output": 5, "weight_filler": {"type": "gaussian", "std": 1.0}}
    quiet = {"name": "quiet", "type": "Silence", "bottom": "labels"}
    for keep in (True, False):
        one = net(FILTER, act, dense, quiet, phase="TRAIN", force_backward=keep, keep=keep)
        whole = netspec.Net(
            {"layers": [{**INPUT, "top": ["kept", "l", "w"]}, act, dense]},
            phase="TRAIN",
            dtype="float64",
            force_backward=True,
        )
        x, dy = blob(4, 3, 6, 4), blob(2, 5)
        (y,) = one.forward(data=x, label=np.zeros(4), which=SELECTED.reshape(4, 1, 1, 1)).values()
        np.testing.assert_allclose(y, whole.forward(kept=x)["ip"][1:3], rtol=1e-12)
    one = net(FILTER, act, dense, quiet, phase="TRAIN", force_backward=True)
    for number in (4, 2):  # what a longer batch left behind does not count
        chosen = SELECTED if number == 2 else np.ones(4)
        one.forward(data=x, label=np.zeros(4), which=chosen.reshape(4, 1, 1, 1))
        one.blobs["ip"].diff = blob(4, 5, seed=8) if number == 4 else dy
        one.clear_param_diffs()
        diffs = [one.backward()["data"], one.params["ip"][0].diff.copy()]
    one.clear_param_diffs()
    again = [one.backward(ip=dy)["data"], one.params["ip"][0].diff]
    whole.forward(kept=x)
    padded = np.zeros((4, 5))
    padded[1:3] = dy
    wanted = [whole.backward(ip=padded)["kept"], whole.params["ip"][0].diff]
    for mine, others, its in zip(diffs, again, wanted, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(others, its, rtol=1e-12, atol=1e-15)


def test_the_sum_of_what_is_kept_may_be_a_loss() -> None:
    one, x = net({**FILTER, "loss_weight": [3, 0]}, phase="TRAIN", force_backward=True), blob(4, 3, 6, 4)
    assert one.forward(data=x, label=np.arange(4.0), which=SELECTED.reshape(4, 1, 1, 1))["kept"].shape == (2, 3, 6, 4)
    np.testing.assert_allclose(one.loss, 3 * x[1:3].sum(), rtol=1e-12)
    one.backward()
    wanted = np.zeros(x.shape)
    wanted[1:3] = 3
    np.testing.assert_array_equal(one.blobs["data"].diff, wanted)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"type": "BatchNorm", "bottom": "kept"}, r"layer 'l' \(BatchNorm\) reads 'kept', of which only the run"),
        ({"type": "Reduction", "bottom": "labels"}, r"layer 'l' \(Reduction\) reads 'labels'"),
        ({"type": "Concat", "bottom": ["kept", "data"]}, r"layer 'l' \(Concat\) reads 'kept'"),
    ],
)
def test_no_other_layer_reads_it(layer: dict[str, Any], text: str) -> None:
    with pytest.raises(RunTimeBatchError, match=text):
        net(FILTER, {"name": "l", **layer})


def test_a_loss_weight_counts_for_what_is_kept() -> None:
    """The numbers of BVLC Caffe 1.0."""
    given = {"name": "in", "type": "Input", "top": ["x", "s"], "shape": [[4, 2], [4]]}
    scale = {"name": "h", "type": "Scale", "axis": 0, "num_axes": 0, "bottom": "x"}
    kept = {"name": "i", "type": "Filter", "bottom": ["h", "s"]}
    dense = {"name": "y", "type": "InnerProduct", "num_output": 2, "bottom": "i"}
    power = {"name": "q", "type": "Power", "power": 2, "shift": 1, "loss_weight": 0.5, "bottom": "y"}
    one = netspec.Net({"layers": [given, scale, kept, dense, power]}, phase="TRAIN", dtype="float64", keep=True)
    one.params["h"][0].data[...] = 1.5
    one.params["y"][0].data[...] = [[0.5, -1], [2, 1]]
    one.params["y"][1].data[...] = [0.25, -0.5]
    x = np.array([[1, 2], [3, -1], [0.5, 0.25], [-2, 4]])
    for chosen in ([1, 1, 1, 1], [1, 0, 1, 0]):
        one.forward(x=x, s=chosen)
        one.clear_param_diffs()
        one.backward()
    np.testing.assert_allclose(one.loss, 0.5 * (1 + 42.25 + 1.5625 + 5.640625))
    np.testing.assert_allclose(one.params["y"][0].diff, [[-0.5625, -2.53125], [11.53125, 20.390625]])
    np.testing.assert_allclose(one.params["y"][1].diff, [0.25, 8.875])
    np.testing.assert_allclose(one.params["h"][0].diff, 30.46875)


def test_errors() -> None:
    layer = make_layer("Filter", bottom=["a", "s"])
    for shapes, text, field in (
        (((4, 3), (4, 2)), "the selector {bottom[1]} must hold a single value for each item", "bottom.1"),
        (((4, 3), ()), "the selector {bottom[1]} must hold", "bottom.1"),
        (((5, 3), (4, 1)), "{bottom[0]} must have as many items as the selector {bottom[1]}", "bottom.0"),
        (((4, 3), (4, 3), (4,)), "it has 1 top, and needs 2 tops", "top"),
    ):
        with pytest.raises(ShapeError) as caught:
            layer.top_shapes(shapes)
        assert text in caught.value.message and caught.value.field == field
    with pytest.raises(NetspecError, match="takes at least 2 bottoms, not 1"):
        net({"name": "f", "type": "Filter", "bottom": "data"})


def test_the_selector_gets_no_gradient() -> None:
    one = net(FILTER, force_backward=True)
    assert [node.propagate for node in one.program.graph.nodes][1] == (True, True, False)
