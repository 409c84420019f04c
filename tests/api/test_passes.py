"""Backward over a whole net and over some of its layers, in nets that are no prototxt."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import netspec

LAYERS: list[dict[str, Any]] = [
    {"name": "in", "type": "Input", "top": ["data", "wanted"], "shape": [[4, 3], [4, 6]]},
    {"name": "a", "type": "InnerProduct", "num_output": 6, "bottom": "data", "weight_filler": "xavier"},
    {"name": "a1", "type": "ReLU", "bottom": "a", "top": "a", "negative_slope": 0.5},
    {"name": "b", "type": "InnerProduct", "num_output": 6, "bottom": "a", "weight_filler": "xavier"},
    {"name": "sum", "type": "Eltwise", "bottom": ["a", "b", "a"]},
    {"name": "loss", "type": "EuclideanLoss", "bottom": ["sum", "wanted"]},
]


def made() -> netspec.Net:
    net = netspec.Net({"name": "few", "layers": LAYERS}, "TRAIN", dtype="float64", force_backward=True)
    random = np.random.default_rng(1)
    net.forward(data=random.standard_normal((4, 3)), wanted=random.standard_normal((4, 6)))
    return net


def diffs(net: netspec.Net) -> dict[str, np.ndarray]:
    return {name: blob.diff.copy() for name, blob in net.blobs.items()}


def by_hand(net: netspec.Net) -> dict[str, np.ndarray]:
    """The diffs of a, after its ReLU and before it, and of the data."""
    above = (net.blobs["sum"].data - net.blobs["wanted"].data) / 4
    last = 2 * above + above @ net.params["b"][0].data
    first = np.where(net.blobs["a"].data > 0, last, 0.5 * last)
    return {"sum": above, "b": above, "a": first, "data": first @ net.params["a"][0].data}


def test_a_part_of_a_pass_repeats_that_part_of_the_whole() -> None:
    net = made()
    net.backward()
    whole, params = diffs(net), net.params["a"][0].diff.copy()
    for name, right in by_hand(net).items():
        np.testing.assert_allclose(whole[name], right, rtol=1e-12, err_msg=name)
    net.backward(start="b")  # what the sum gave to `a` stays
    for name, diff in diffs(net).items():
        np.testing.assert_allclose(diff, whole[name], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(net.params["a"][0].diff, 2 * params, rtol=1e-12)


def test_a_diff_that_was_written_is_where_a_part_begins() -> None:
    net = made()
    net.backward()
    net.blobs["a"].diff[...] = 2.0
    found = net.backward(start="a1")["data"]
    assert found is not None
    first = np.where(net.blobs["a"].data > 0, 2.0, 1.0)
    np.testing.assert_allclose(found, first @ net.params["a"][0].data, rtol=1e-12)


def test_a_copy_goes_on_alike() -> None:
    net = made()
    net.backward()
    other = copy.copy(net)
    one, two = (diffs(each) for each in (net, other))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    for each in (net, other):
        each.backward(start="b")
    one, two = (diffs(each) for each in (net, other))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_diffs_of_a_training_are_there_when_they_are_first_asked_for() -> None:
    layers = [layer for layer in LAYERS if layer["name"] not in ("in", "loss")]
    layers = [
        {"name": "in", "type": "DummyData", "top": "data", "shape": [4, 3], "data_filler": {"type": "uniform"}},
        *layers,
        {"name": "loss", "type": "Reduction", "bottom": "sum", "operation": "SUMSQ", "loss_weight": 1},
    ]
    spec = {
        "net": {"name": "few", "layers": layers},
        "base_lr": 0.1,
        "lr_policy": "fixed",
        "max_iter": 3,
        "type": "SGD",
    }
    solver = netspec.Solver(spec)
    solver.step()
    first = solver.net.blobs["a"].diff.copy()
    assert np.count_nonzero(first) == first.size
    assert np.array_equal(solver.net.blobs["a"].diff, first)
