"""Shapes: the batch axis that layers declare is the axis whose length grows with the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import netspec
from netspec.core import locate
from netspec.core.errors import Findings, NetspecError
from netspec.net.graph import State
from netspec.net.infer import infer
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers.strategies import nets


def growing(shaped: ShapedGraph) -> dict[str, set[int]]:
    """For every blob, the axes whose length differs when the batch is larger by 1."""
    found = Findings()
    other = infer(shaped.graph, found, shaped.batch + 1)
    assert not found
    pairs = zip(shaped.graph.blobs, shaped.blobs, other.blobs, strict=True)
    return {
        blob.label: {axis for axis, sizes in enumerate(zip(one, two, strict=True)) if sizes[0] != sizes[1]}
        for blob, one, two in pairs
    }


def declared(shaped: ShapedGraph) -> dict[str, set[int]]:
    pairs = zip(shaped.graph.blobs, shaped.batch_axes, strict=True)
    return {blob.label: set() if axis is None else {axis} for blob, axis in pairs}


@pytest.mark.parametrize("name", [name for name in locate.names("models") if name != "resnet152"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_the_zoo_declares_its_batch_axes(name: str, phase: Any) -> None:
    shaped = load_net(name, state=State(phase))
    assert declared(shaped) == growing(shaped)


@settings(max_examples=60)
@given(nets())
def test_random_nets_declare_their_batch_axes(random: dict[str, Any]) -> None:
    shaped = load_net(random)
    assert declared(shaped) == growing(shaped)


def image(*shape: int, **fields: Any) -> dict[str, Any]:
    return {"name": "x", "type": "Input", "shape": list(shape), **fields}


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        ({"type": "Flatten"}, [{0}]),
        ({"type": "Flatten", "axis": 0, "end_axis": 1}, [{0}]),
        ({"type": "Flatten", "axis": 0, "end_axis": 0}, [{0}]),
        ({"type": "Reshape", "shape": [0, -1]}, [{0}]),
        ({"type": "Reshape", "shape": [-1, 7]}, [{0}]),
        ({"type": "Reshape", "shape": [3, -1]}, [{1}]),
        ({"type": "Reshape", "shape": [5, 3], "axis": 1, "num_axes": 1}, [{0}]),
        ({"type": "Reshape", "shape": [1, 1], "num_axes": 0}, [{2}]),
        ({"type": "Slice", "axis": 0, "slice_point": 2, "top": ["a", "b"]}, [set(), {0}]),
        ({"type": "Slice", "axis": 1, "slice_point": 2, "top": ["a", "b"]}, [{0}, {0}]),
        ({"type": "InnerProduct", "num_output": 3}, [{0}]),
        ({"type": "InnerProduct", "num_output": 3, "axis": 2}, [{0}]),
    ],
)
def test_views_and_products_say_where_the_batch_goes(layer: dict[str, Any], axes: list[set[int]]) -> None:
    shaped = load_net({"layers": [image(6, 15, 7), {"name": "y", **layer}]}, state=State("TEST"))
    found, grown = declared(shaped), growing(shaped)
    tops = [shaped.graph.blobs[top].label for top in shaped.graph.nodes[1].tops]
    assert [found[top] for top in tops] == [grown[top] for top in tops] == axes


def test_a_product_over_the_batch_itself_has_none() -> None:
    product = {"name": "y", "type": "InnerProduct", "num_output": 3, "axis": 0}
    shaped = load_net({"layers": [image(6, 15), product]}, state=State("TEST"))
    assert declared(shaped)["y"] == set()


STEPS = 5


def recurrent(axis: int) -> dict[str, Any]:
    """Scores for every step of a sequence; the batch is axis 0, or axis 1 as Caffe's recurrent layers want it."""
    shapes = [[STEPS, 4, 3], [STEPS, 4]] if axis else [[4, STEPS, 3], [4, STEPS]]
    return {
        "layers": [
            {"name": "data", "type": "Input", "top": ["data", "label"], "shape": shapes, "batch_axis": axis},
            {"name": "ip", "type": "InnerProduct", "axis": 2, "num_output": 6, "weight_filler": "xavier"},
            {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"], "axis": 2},
        ]
    }


def losses(axis: int, batch: int) -> list[float]:
    rng = np.random.default_rng(5)
    values = [rng.standard_normal((13, STEPS, 3)).tolist(), rng.integers(0, 6, (13, STEPS)).tolist()]
    feed = {"source": {"type": "Arrays", "values": values}, "batch_size": batch}
    job = load_solver(
        {
            "net": recurrent(axis),
            "data": {"train": feed, "test": feed},
            "base_lr": 0.1,
            "lr_policy": "fixed",
            "max_iter": 4,
        }
    )
    assert job.train.batch == batch and job.train.blobs[0] == ((STEPS, batch, 3) if axis else (batch, STEPS, 3))
    session = Session(job)
    try:
        trained = [session.step() for _ in range(4)]
        return [*trained, session.testers["test"].run()[0]["loss"]]
    finally:
        session.close()


def test_a_batch_may_be_the_second_axis() -> None:
    np.testing.assert_allclose(losses(1, 4), losses(0, 4), rtol=1e-5)
    np.testing.assert_allclose(losses(1, 7), losses(0, 7), rtol=1e-5)


@pytest.mark.parametrize(("axis", "words"), [(2, "has no axis 2"), ([0, 1, 0], "3 batch axes for 2 tops")])
def test_a_batch_axis_that_is_not_there(axis: Any, words: str) -> None:
    net = recurrent(0)
    net["layers"][0]["batch_axis"] = axis
    with pytest.raises(NetspecError, match=words):
        netspec.Net(net)


def test_the_shape_of_a_sample_has_no_axis_of_the_batch() -> None:
    layers = [image(6, 15, 7), {"name": "y", "type": "Reshape", "shape": [3, -1]}]
    shaped = load_net({"layers": layers}, state=State("TEST"))
    x, y = (shaped.graph.named[name].index for name in "xy")
    assert (shaped.sample_shape(x), shaped.sample_shape(y)) == ((15, 7), (3,))  # 630 numbers as 3 x 210
    alone = load_net({"layers": [image(6), {"name": "y", "type": "EuclideanLoss", "bottom": ["x", "x"]}]})
    assert [alone.sample_shape(alone.graph.named[name].index) for name in "xy"] == [(), ()]
