"""DummyData: Caffe's cases (5x3x2x4 of 0, 7 and 9; gaussian of mean 3 and std .01 anew at each forward)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import netspec
from netspec.core.shape import ShapeError
from tests.helpers.checks import check_layer, make_layer, run_layer
from tests.helpers.oracle import against
from tests.helpers.sessions import trained, weights

SHAPE = [5, 3, 2, 4]
GAUSSIAN = {"type": "gaussian", "mean": 3.0, "std": 0.01}


def constant(value: float) -> dict[str, Any]:
    return {"type": "constant", "value": value}


def test_constants_one_for_each_top() -> None:
    layer = make_layer("DummyData", top=["a", "b", "c"], shape=SHAPE, data_filler=[*map(constant, (0.0, 7.0, 9.0))])
    against(lambda *_: [np.full(SHAPE, value) for value in (0.0, 7.0, 9.0)], layer, [])


def test_zero_without_a_filler_and_one_filler_for_all() -> None:
    (top,) = check_layer(make_layer("DummyData", shape=[[3]]), []).tops
    assert not top.any()
    layer = make_layer("DummyData", top=["a", "b"], shape=[[3, 2], []], data_filler=constant(4.0))
    a, b = check_layer(layer, []).tops
    assert (a == 4).all() and a.shape == (3, 2) and b == 4 and b.shape == ()


def test_random_numbers_are_new_at_every_forward_and_constants_are_not() -> None:
    layer = {"name": "d", "type": "DummyData", "top": ["a", "b", "c"], "shape": SHAPE}
    layer["data_filler"] = [GAUSSIAN, constant(7.0), GAUSSIAN]
    net = netspec.Net({"layers": [layer]}, phase="TRAIN")
    first, second = net.forward(), net.forward()
    for name in "ac":
        assert (first[name] != second[name]).all()
        for values in (first[name], second[name]):
            assert abs(values - 3).max() < 0.1 and 0.005 < values.std() < 0.02
    assert (first["a"] != first["c"]).all(), "every top has its own stream"
    assert (first["b"] == 7).all() and (second["b"] == 7).all()
    net.forwards = 0
    again = net.forward()
    assert all(again[name].tobytes() == first[name].tobytes() for name in "abc")


def test_the_stream_is_that_of_seed_and_iteration() -> None:
    layer = make_layer("DummyData", shape=[2000], data_filler={"type": "uniform", "min": -1.0, "max": 3.0})

    def draw(**options: Any) -> Any:
        return run_layer(layer, **options).tops[0]

    x = draw(seed=1, iteration=4)
    assert x.tobytes() == draw(seed=1, iteration=4).tobytes()
    assert (x != draw(seed=2, iteration=4)).all() and (x != draw(seed=1, iteration=5)).all()
    assert x.min() >= -1 and x.max() <= 3 and abs(x.mean() - 1) < 4 * (4 / 12**0.5) / 2000**0.5


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"shape": [[2], [3], [4]]}, "3 shapes for 2 tops"),
        ({"shape": [2], "data_filler": [constant(1.0)] * 3}, "3 fillers for 2 tops"),
        ({"shape": [0]}, "greater than 0"),
    ],
)
def test_errors(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        make_layer("DummyData", top=["a", "b"], **fields)


def test_a_filler_that_does_not_fit_a_top() -> None:
    layer = make_layer("DummyData", top=["a", "b"], shape=[[2, 3, 4, 4], [5]], data_filler=[constant(1.0), "bilinear"])
    with pytest.raises(ShapeError, match="the filler of top 1: ") as caught:
        layer.top_shapes(())
    assert caught.value.field == "data_filler.1"


def test_its_fillers_are_what_it_computes() -> None:
    one, two = (make_layer("DummyData", shape=[2], data_filler=constant(v)).identity() for v in (1.0, 2.0))
    assert one != two


def test_a_net_trains_on_it_and_another_training_draws_the_same() -> None:
    layers = [
        {
            "name": "d",
            "type": "DummyData",
            "top": ["x", "y"],
            "shape": [[4, 3], [4, 2]],
            "data_filler": [GAUSSIAN, "xavier"],
        },
        {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": 2},
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "y"]},
    ]
    solver = {"net": {"layers": layers}, "base_lr": 0.01, "lr_policy": "fixed", "max_iter": 9, "random_seed": 3}
    one, two = (weights(trained(solver, 3)) for _ in range(2))
    assert one["ip.weight"].any() and all(one[name].tobytes() == two[name].tobytes() for name in one)
