"""Which params learn: facts of small nets, each as true as a training of it would show."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.net.learning import twins, unmoved
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from tests.helpers.specs import conv, ip, loss, net

ZERO, DRAWN = {"type": "constant", "value": 0.0}, {"type": "gaussian", "std": 0.1}
HALF = {"type": "constant", "value": 0.5}
START = {"weight_filler": ZERO, "bias_filler": ZERO}
"""Fillers as they are where none is written."""


def relu(name: str = "relu", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "ReLU", **fields}


def layer(type: str, **fields: Any) -> dict[str, Any]:
    return {"name": type.lower(), "type": type, **fields}


def _levels(shaped: ShapedGraph) -> list[float | None]:
    return [param.param.filler.level for param in shaped.graph.params]


def still(*layers: dict[str, Any]) -> set[str]:
    """Names of the params that never move, of those that a loss reaches."""
    graph = (shaped := load_net(net(*layers))).graph
    lost = unmoved(graph, [None] * len(graph.params))
    return {graph.params[p].name for p in unmoved(graph, _levels(shaped)) - lost}


def equal(*layers: dict[str, Any]) -> list[str]:
    """Names of the layers whose channels stay equal."""
    shaped = load_net(net(*layers))
    return [node.layer.name for node in twins(shaped.graph, _levels(shaped))]


BRANCH = [
    conv("wide", 4, bottom="data"),
    layer("Scale", bottom="wide", filler=ZERO),
    conv("side", 4, bottom="data"),
    layer("Eltwise", bottom=["scale", "side"]),
    ip("ip", 3),
    loss("ip"),
]
"""A residual branch that begins at 0."""


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([ip("ip", 3, **START), loss("ip")], set()),  # logistic regression
        ([ip("a", 5, **START), ip("b", 3, **START), loss("b")], {"a.weight", "a.bias", "b.weight"}),
        ([ip("a", 5, **START), ip("b", 3), loss("b")], set()),
        ([ip("a", 5), ip("b", 3, **START), loss("b")], set()),
        ([ip("a", 5, **START), relu(), ip("b", 3), loss("b")], {"a.weight", "a.bias", "b.weight"}),
        ([ip("a", 5, **START), relu(negative_slope=0.1), ip("b", 3), loss("b")], set()),
        ([ip("a", 5, weight_filler=ZERO, bias_filler=HALF), relu(), ip("b", 3), loss("b")], set()),
        ([ip("a", 5, **START), layer("Sigmoid"), ip("b", 3, **START), loss("b")], set()),
        ([ip("a", 5, **START), layer("TanH"), ip("b", 3, **START), loss("b")], {"a.weight", "a.bias", "b.weight"}),
        ([ip("a", 5, **START), layer("PReLU"), ip("b", 3), loss("b")], set()),
        ([conv("a", 4, **START), layer("Pooling", kernel_size=2), ip("b", 3), loss("b")], set()),
        (
            [conv("a", 4, **START), relu(), layer("Pooling", kernel_size=2), ip("b", 3), loss("b")],
            {"a.weight", "a.bias", "b.weight"},
        ),
        ([conv("a", 4), layer("BatchNorm"), layer("Scale"), relu(), ip("b", 3), loss("b")], set()),
        (
            [conv("a", 4), layer("BatchNorm"), layer("Scale", filler=ZERO), relu(), ip("b", 3), loss("b")],
            {"a.weight", "a.bias", "scale.weight", "b.weight"},
        ),
        ([conv("a", 4), layer("Scale", filler=ZERO), ip("b", 3), loss("b")], set()),
        (BRANCH, set()),
        (
            [ip("a", 5, param=[{"lr_mult": 0}, {"lr_mult": 0}], **START), ip("b", 3), loss("b")],
            {"b.weight"},
        ),
        (
            [
                ip("a", 5, **START),
                ip("b", 5, bottom="data"),
                layer("Eltwise", bottom=["a", "b"], operation="PROD"),
                ip("c", 3, **START),
                loss("c"),
            ],
            {"a.weight", "a.bias", "b.weight", "b.bias", "c.weight"},
        ),
        ([ip("a", 5, weight_filler={"type": "gaussian", "sparse": 0}, bias_filler=ZERO), relu(), ip("b", 3), loss("b")],
         {"a.weight", "a.bias", "b.weight"}),
    ],
)  # fmt: skip
def test_what_never_moves(layers: list[dict[str, Any]], names: set[str]) -> None:
    assert still(*layers) == names


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([ip("ip", 3, **START), loss("ip")], []),
        ([ip("a", 5, weight_filler=HALF, bias_filler=ZERO), ip("b", 3, weight_filler=HALF), loss("b")], ["a"]),
        ([ip("a", 5, weight_filler=HALF, bias_filler=ZERO), ip("b", 3, weight_filler=DRAWN), loss("b")], []),
        ([ip("a", 5, weight_filler=DRAWN), ip("b", 3, weight_filler=HALF), loss("b")], []),
        ([ip("a", 5, weight_filler=HALF, bias_filler=DRAWN), ip("b", 3, weight_filler=HALF), loss("b")], []),
        ([ip("a", 5, **START), layer("Sigmoid"), ip("b", 3, **START), loss("b")], ["a"]),
        (
            [conv("a", 4, weight_filler=HALF), relu(), layer("Flatten"), ip("b", 3, weight_filler=HALF), loss("b")],
            ["a"],
        ),
        (
            [conv("a", 4, weight_filler=HALF), layer("Dropout"), ip("b", 3, weight_filler=HALF), loss("b")],
            [],  # chance makes them differ
        ),
        (
            [conv("a", 4, weight_filler=HALF), layer("LRN"), ip("b", 3, weight_filler=HALF), loss("b")],
            [],  # the first and the last channel have fewer neighbours
        ),
        ([conv("a", 3, weight_filler=HALF, group=3), ip("b", 3, weight_filler=HALF), loss("b")], []),
    ],
)
def test_what_stays_equal(layers: list[dict[str, Any]], names: list[str]) -> None:
    assert equal(*layers) == names


def test_what_no_loss_reaches() -> None:
    graph = load_net(net(ip("a", 5), ip("b", 3, propagate_down=False), ip("c", 2, "a"), loss("b"))).graph
    lost = unmoved(graph, [None] * len(graph.params))
    assert {graph.params[p].name for p in lost} == {"a.weight", "a.bias", "c.weight", "c.bias"}
